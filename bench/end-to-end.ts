// `bench end-to-end`: from a device's PUBLISH to a row in TimescaleDB. Ours acknowledges after the commit; the yardstick is
// Mosquitto with a plain Node subscriber that inserts into the same table, which acknowledges at once and stores later. So
// ours is measured over a window of acknowledgements, the yardstick over all messages from the first PUBLISH to the last row.
// All processes of the server side, the database included, share one core.
import { type BenchOptions } from './arguments.ts'
import { loadValues } from './accept.ts'
import { query, startDatabase, type BenchServer } from './database.ts'
import { publishLoad, shapeName, shapes, type LoadResult, type Shape } from './generator.ts'
import { deviceId, identities, type Identities } from './identities.ts'
import { payloadOf } from './messages.ts'
import { startMosquitto } from './mosquitto.ts'
import { startNodeServer } from './node-server.ts'
import { shown, type Measurement, type Table, type Target } from './outcome.ts'
import { inRounds, type Case } from './rounds.ts'
import { median, ratiosOf, valuesOf, type Run } from './statistics.ts'
import { isSaturated, spreadText } from './summary.ts'
import { mosquittoCommand } from './tools.ts'

const ours = 'Pulsegate'
const theirs = 'Mosquitto + Node subscriber'
const sampleCounts = [1, 10] as const
const wantedRatio = 1.5
// what is sent in it gives the subscriber several seconds of work, enough to be compiled
const warmSeconds = 1

interface Setting {
  readonly devices: Identities
  readonly seconds: number
  readonly shape: Shape
  readonly samples: number
  readonly database: BenchServer
}

/** CPU per message by process and in all, and the share of the core they had together. */
function values (result: LoadResult, samples: number): Record<string, number> {
  const usOf = (name: string): number => (result.cpuMs[name] ?? 0) * 1_000 / result.messages
  const us = Object.keys(result.cpuMs).reduce((sum, name) => sum + usOf(name), 0)
  const core = us * result.messages / 1e6 / result.seconds
  return { ...loadValues(result), rows: result.messages * samples / result.seconds, us, core, processUs: usOf('server'), brokerUs: usOf('broker'), databaseUs: usOf('database') }
}

/** Throws when the tables do not hold exactly what was acknowledged; gives how many transactions stored it. */
async function mustHold (url: string, messages: number, samples: number, receipts: boolean): Promise<number> {
  const { rows } = await query(url, async (client) => await client.query<{ samples: string, receipts: string, batches: string }>(
    'SELECT (SELECT count(*) FROM sample) AS samples, (SELECT count(*) FROM receipt) AS receipts, (SELECT count(DISTINCT xmin::text) FROM sample) AS batches'))
  const found = { samples: Number(rows[0]?.samples), receipts: Number(rows[0]?.receipts) }
  const wanted = { samples: messages * samples, receipts: receipts ? messages : 0 }
  if (found.samples !== wanted.samples || found.receipts !== wanted.receipts) {
    throw new Error(`acknowledged ${JSON.stringify(wanted)}, stored ${JSON.stringify(found)}`)
  }
  return Number(rows[0]?.batches)
}

async function runOurs ({ devices, seconds, shape, samples, database }: Setting, profile: string): Promise<Record<string, number>> {
  return await database.withDatabase(async (databaseUrl) => {
    const { process, port } = await startNodeServer('pulsegate', { ...devices, databaseUrl }, profile)
    try {
      const watch = { server: process.pid, database: database.pid }
      const result = await publishLoad({ port, identities: devices, seconds, watch }, shape, payloadOf(samples))
      const batches = await mustHold(databaseUrl, result.acknowledgedTotal, samples, true)
      return { ...values(result, samples), batch: result.acknowledgedTotal / batches }
    } finally {
      await process.stop()
    }
  })
}

async function runTheirs ({ devices, seconds, shape, samples, database }: Setting): Promise<Record<string, number>> {
  return await database.withDatabase(async (databaseUrl) => {
    const ids = Array.from({ length: shape.connections }, (_, index) => deviceId(index))
    await query(databaseUrl, async (client) => await client.query("INSERT INTO device (id, state) SELECT unnest($1::uuid[]), 'active'", [ids]))
    const broker = await startMosquitto(await mosquittoCommand(), devices)
    try {
      const { process } = await startNodeServer('subscriber', { databaseUrl, brokerPort: broker.plainPort })
      try {
        let stored = 0
        const settled = async (messages: number): Promise<void> => {
          for (const wanted = before + messages; stored < wanted;) stored = Number((await process.until('stored'))['messages'])
        }
        const watch = { broker: broker.pid, server: process.pid, database: database.pid }
        const load = async (loadSeconds: number): Promise<LoadResult> =>
          await publishLoad({ port: broker.port, identities: devices, seconds: loadSeconds, watch }, shape, payloadOf(samples), settled)
        let before = 0
        before = (await load(warmSeconds)).acknowledgedTotal
        const result = await load(seconds)
        const batches = await mustHold(databaseUrl, before + result.acknowledgedTotal, samples, false)
        return { ...values(result, samples), batch: (before + result.acknowledgedTotal) / batches }
      } finally {
        await process.stop()
      }
    } finally {
      await broker.stop()
    }
  })
}

function nameOf (shape: Shape, samples: number): string {
  return `${shapeName(shape)}, ${samples === 1 ? '1 sample' : `${samples} samples`}`
}

const settings = shapes.flatMap((shape) => sampleCounts.map((samples) => ({ shape, samples, name: nameOf(shape, samples) })))

const note = 'Ratio above 1: ours is faster, or needs less CPU for the same. CPU µs per message: process = ours, or the subscriber; ' +
  'batch = messages a transaction; p50 and p99 are of PUBLISH to PUBACK at full load, which for ours means committed and for the other means received. ' +
  'After every run the tables were counted: what was acknowledged is there, once. ' +
  'Where a thousand connections send one message of one sample at a time, taking and acknowledging is most of our CPU (`bench accept`, 1,000 x 1): a TLS record read ' +
  'and one written per wake-up, which costs Node about twice what it costs Mosquitto; batching in the database makes up for it only when a message is more than a row.'

const columns = ['load and system', 'messages/s', 'rows/s', 'rounds', 'process µs', 'broker µs', 'database µs', 'CPU µs/message', 'batch', 'p50 ms', 'p99 ms', 'CPU ratio to ours', 'rate ratio to ours']

function row (runs: readonly Run[], shape: string, subject: string): string[] {
  const all = (value: string): number[] => valuesOf(runs, subject, shape, value)
  const saturated = (value: string): number[] => valuesOf(runs, subject, shape, value, isSaturated)
  const middle = (value: string): string => shown(median(all(value)))
  return [
    `${shape}: ${subject}`,
    spreadText(saturated('rate')), shown(median(saturated('rows'))), `${saturated('rate').length} of ${all('rate').length}`,
    middle('processUs'), subject === ours ? '' : middle('brokerUs'), middle('databaseUs'), spreadText(all('us')),
    middle('batch'), middle('p50Ms'), middle('p99Ms'),
    subject === ours ? '' : shown(median(ratiosOf(runs, subject, ours, shape, 'us'))),
    subject === ours ? '' : shown(median(ratiosOf(runs.filter(isSaturated), ours, subject, shape, 'rate')))
  ]
}

function table (runs: readonly Run[]): Table {
  const rows = settings.flatMap(({ name }) => [ours, theirs]
    .filter((subject) => valuesOf(runs, subject, name, 'us').length > 0)
    .map((subject) => row(runs, name, subject)))
  return { title: 'Publish to committed row', note, columns, rows }
}

export async function benchEndToEnd ({ rounds, seconds, only, profile }: BenchOptions, onRun: (text: string) => void): Promise<Measurement> {
  const devices = await identities(Math.max(...shapes.map(({ connections }) => connections)))
  const database = await startDatabase()
  try {
    const cases = settings.flatMap(({ shape, samples, name }): Case[] => {
      const setting = { devices, seconds, shape, samples, database }
      return [
        { subject: ours, shape: name, run: async () => await runOurs(setting, profile) },
        { subject: theirs, shape: name, run: async () => await runTheirs(setting) }
      ]
    })
    const { runs, failures } = await inRounds(cases, { rounds, only, onRun })
    const targets = settings.map(({ name }): Target => (
      { what: `${name}: ${ours} against ${theirs}`, wanted: wantedRatio, got: median(ratiosOf(runs, theirs, ours, name, 'us')) }))
    return { runs, failures, tables: [table(runs)], targets: targets.filter(({ got }) => !Number.isNaN(got)) }
  } finally {
    await database.stop()
  }
}
