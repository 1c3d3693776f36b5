// `bench accept`: what taking a message costs, with everything behind the broker left out. Our broker with a queue that
// acknowledges at once, against Mosquitto alone, and against Mosquitto with one QoS 1 subscriber: a broker alone hands
// messages to nobody, so the second is what a pipeline on Mosquitto must at least pay. A bare node:tls server that only
// frames and acknowledges is the floor of whatever is written for Node.
import { setTimeout as sleep } from 'node:timers/promises'
import { compile, publishLoad, shapeName, shapes, type Shape } from './generator.ts'
import { identities, type Identities } from './identities.ts'
import { loadValues } from './load-values.ts'
import { payloadOf } from './messages.ts'
import { startMosquitto } from './mosquitto.ts'
import { startNodeServer } from './node-server.ts'
import { type Measurement, type Target } from './outcome.ts'
import { loadCore, Pinned } from './pinned.ts'
import { inRounds, type Case } from './rounds.ts'
import { median, ratiosOf, type Run } from './statistics.ts'
import { loadTable } from './summary.ts'
import { mosquittoCommand } from './tools.ts'
import { type BenchOptions } from './arguments.ts'

const ours = 'Pulsegate broker'
const alone = 'Mosquitto, no subscriber'
const subscribed = 'Mosquitto + QoS 1 subscriber'
const bare = 'node:tls alone'

// what we have promised, by shape: ours against `alone` and against `subscribed`, by CPU per message
const wanted = [[2.3, 4.5], [0.6, 1.0]] as const

// after the last acknowledgement Mosquitto may still be handing on to its subscriber
const deliverWaitMs = 1_500

interface Setting {
  readonly devices: Identities
  readonly seconds: number
  readonly shape: Shape
}

async function runNode (program: 'accept' | 'bare-tls', { devices, seconds, shape }: Setting, profile: string): Promise<Record<string, number>> {
  const { process, port } = await startNodeServer(program, devices, profile)
  try {
    const watch = { server: process.pid }
    return loadValues(await publishLoad({ port, identities: devices, seconds, watch }, shape, payloadOf(1)))
  } finally {
    await process.stop()
  }
}

async function runMosquitto ({ devices, seconds, shape }: Setting, withSubscriber: boolean): Promise<Record<string, number>> {
  const server = await startMosquitto(await mosquittoCommand(), devices)
  const subscriber = withSubscriber ? new Pinned(loadCore, compile('subscribe'), [String(server.plainPort)]) : null
  try {
    await subscriber?.until('subscribed')
    const watch = { server: server.pid }
    const result = await publishLoad({ port: server.port, identities: devices, seconds, watch }, shape, payloadOf(1))
    if (subscriber === null) return loadValues(result)
    await sleep(deliverWaitMs)
    subscriber.finish()
    const { received } = await subscriber.until('result')
    return { ...loadValues(result), delivered: Number(received) / result.acknowledgedTotal }
  } finally {
    await subscriber?.stop()
    await server.stop()
  }
}

function targets (runs: readonly Run[]): Target[] {
  return shapes.flatMap((shape, i) => [alone, subscribed].map((theirs, j) => {
    const name = shapeName(shape)
    return { what: `${name}: ${ours} against ${theirs}`, wanted: wanted[i]?.[j] ?? NaN, got: median(ratiosOf(runs, theirs, ours, name, 'us')) }
  }))
}

const note = 'QoS 1, mutual TLS 1.3, one PUBLISH per TLS record, one sample a message, every message a new one. ' +
  'The subscriber is a C program that only counts and acknowledges, over plain TCP, on the generator\'s core; its CPU is not counted. ' +
  '“node:tls alone” frames and acknowledges and does nothing else: no identity, rights, bounds or queue. It is what any broker on Node pays at least.'

export async function benchAccept ({ rounds, seconds, only, profile }: BenchOptions, onRun: (text: string) => void): Promise<Measurement> {
  const devices = await identities(Math.max(...shapes.map(({ connections }) => connections)))
  const cases = shapes.flatMap((shape): Case[] => {
    const setting = { devices, seconds, shape }
    const of = (subject: string, run: Case['run']): Case => ({ subject, shape: shapeName(shape), run })
    return [
      of(ours, async () => await runNode('accept', setting, profile)),
      of(bare, async () => await runNode('bare-tls', setting, '')),
      of(alone, async () => await runMosquitto(setting, false)),
      of(subscribed, async () => await runMosquitto(setting, true))
    ]
  })
  const { runs, failures } = await inRounds(cases, { rounds, only, onRun })
  const tables = shapes.map((shape, i) => {
    const name = shapeName(shape)
    return loadTable(`Accepting, ${name} in flight`, i === 0 ? note : '', runs, { ours, shape: name, subjects: [ours, bare, alone, subscribed] })
  })
  return { runs, failures, tables, targets: targets(runs).filter(({ got }) => !Number.isNaN(got)) }
}
