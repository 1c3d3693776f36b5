// All scenarios in the order in which they run, and how a person chooses among them.
import { type Scenario } from '../scenario.ts'
import { calm } from './calm.ts'
import { clocks } from './clocks.ts'
import { controls } from './controls.ts'
import { disks } from './disks.ts'
import { failPoints } from './fail-points.ts'
import { kills } from './kills.ts'
import { links } from './links.ts'
import { outage } from './outage.ts'
import { pairs } from './pairs.ts'
import { poison } from './poison.ts'
import { power } from './power.ts'
import { rolling } from './rolling.ts'
import { versions } from './versions.ts'

export const scenarios: readonly Scenario[] = [
  ...calm, ...kills, ...failPoints, ...links, ...pairs, ...power, ...disks, ...clocks, ...versions, ...poison, ...rolling, ...outage, ...controls
]

export type Selection = 'ci' | 'full'

/** Those of `names`, in their usual order; without names those of the selection. RangeError names what does not exist. */
export function chooseScenarios (selection: Selection, names: readonly string[] = []): readonly Scenario[] {
  const unknown = names.filter((name) => !scenarios.some((scenario) => scenario.name === name))
  if (unknown.length > 0) throw new RangeError(`no such scenario: ${unknown.join(', ')}; \`pulsegate proof --list\` shows all`)
  if (names.length > 0) return scenarios.filter(({ name }) => names.includes(name))
  return scenarios.filter(({ ci }) => selection === 'full' || ci === true)
}
