// `bench end-to-end`: from a device's PUBLISH to a row in TimescaleDB. Ours acknowledges after the commit; the yardstick is
// Mosquitto with a plain Node subscriber that inserts into the same table, which acknowledges at once and stores later. So
// ours is measured over a window of acknowledgements, the yardstick over all messages from the first PUBLISH to the last row.
// All processes of the server side, the database included, share one core.
import { type BenchOptions } from './arguments.ts'
import { query, startDatabase, type BenchServer } from './database.ts'
import { publishLoad, type LoadResult } from './generator.ts'
import { deviceId, identities, type Identities } from './identities.ts'
import { pathValues } from './load-values.ts'
import { payloadOf } from './messages.ts'
import { startMosquitto } from './mosquitto.ts'
import { startNodeServer } from './node-server.ts'
import { shown, type Measurement, type Table, type Target } from './outcome.ts'
import { pathDevices, pathLoads, type PathLoad } from './path-loads.ts'
import { inRounds, type Case } from './rounds.ts'
import { median, ratiosOf, valuesOf, type Run } from './statistics.ts'
import { mustHold, untilStored } from './stored.ts'
import { isSaturated, spreadText } from './summary.ts'
import { mosquittoCommand } from './tools.ts'

const ours = 'Pulsegate'
const theirs = 'Mosquitto + Node subscriber'
const wantedRatio = 1.5
// what is sent in it gives the subscriber several seconds of work, enough to be compiled
const warmSeconds = 1

interface Setting {
  readonly devices: Identities
  readonly seconds: number
  readonly load: PathLoad
  readonly database: BenchServer
}

async function runOurs ({ devices, seconds, load: { shape, samples }, database }: Setting, profile: string): Promise<Record<string, number>> {
  return await database.withDatabase(async (databaseUrl) => {
    const { process, port } = await startNodeServer('pulsegate', { ...devices, databaseUrl }, profile)
    try {
      const watch = { process: process.pid, database: database.pid }
      const result = await publishLoad({ port, identities: devices, seconds, watch }, shape, payloadOf(samples))
      const batches = await mustHold(databaseUrl, result.acknowledgedTotal, samples, true)
      return { ...pathValues(result, samples), batch: result.acknowledgedTotal / batches }
    } finally {
      await process.stop()
    }
  })
}

async function runTheirs ({ devices, seconds, load: { shape, samples }, database }: Setting): Promise<Record<string, number>> {
  return await database.withDatabase(async (databaseUrl) => {
    const ids = Array.from({ length: shape.connections }, (_, index) => deviceId(index))
    await query(databaseUrl, async (client) => await client.query("INSERT INTO device (id, state) SELECT unnest($1::uuid[]), 'active'", [ids]))
    const broker = await startMosquitto(await mosquittoCommand(), devices)
    try {
      const { process } = await startNodeServer('subscriber', { databaseUrl, brokerPort: broker.plainPort })
      try {
        const settled = untilStored(process)
        const watch = { broker: broker.pid, process: process.pid, database: database.pid }
        const load = async (loadSeconds: number): Promise<LoadResult> =>
          await publishLoad({ port: broker.port, identities: devices, seconds: loadSeconds, watch }, shape, payloadOf(samples), settled)
        const { acknowledgedTotal: before } = await load(warmSeconds)
        const result = await load(seconds)
        const batches = await mustHold(databaseUrl, before + result.acknowledgedTotal, samples, false)
        return { ...pathValues(result, samples), batch: (before + result.acknowledgedTotal) / batches }
      } finally {
        await process.stop()
      }
    } finally {
      await broker.stop()
    }
  })
}

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
  const rows = pathLoads.flatMap(({ name }) => [ours, theirs]
    .filter((subject) => valuesOf(runs, subject, name, 'us').length > 0)
    .map((subject) => row(runs, name, subject)))
  return { title: 'Publish to committed row', note, columns, rows }
}

export async function benchEndToEnd ({ rounds, seconds, only, profile }: BenchOptions, onRun: (text: string) => void): Promise<Measurement> {
  const devices = await identities(pathDevices)
  const database = await startDatabase()
  try {
    const cases = pathLoads.flatMap((load): Case[] => {
      const { name } = load
      const setting = { devices, seconds, load, database }
      return [
        { subject: ours, shape: name, run: async () => await runOurs(setting, profile) },
        { subject: theirs, shape: name, run: async () => await runTheirs(setting) }
      ]
    })
    const { runs, failures } = await inRounds(cases, { rounds, only, onRun })
    const targets = pathLoads.map(({ name }): Target => (
      { what: `${name}: ${ours} against ${theirs}`, wanted: wantedRatio, got: median(ratiosOf(runs, theirs, ours, name, 'us')) }))
    return { runs, failures, tables: [table(runs)], targets: targets.filter(({ got }) => !Number.isNaN(got)) }
  } finally {
    await database.stop()
  }
}
