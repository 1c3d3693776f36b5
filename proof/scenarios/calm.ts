// No fault at all: what must hold while nothing is wrong, to the message, so that a red scenario is red because of its fault.
import { type Scenario } from '../scenario.ts'

export const calm: readonly Scenario[] = [{
  name: 'no-fault',
  proves: 'With nothing wrong, every counter of devices, brokers, workers and database agrees to the message.',
  expect: 'green',
  allow: { exactCounters: true },
  act: ({ wait, durationMs }) => wait(durationMs)
}]
