// The facts of a scenario, asked of everybody who was there: devices, database, Redis, the processes themselves. After this nothing
// of the set-up is needed any more.
import { completeness, type BootCompleteness } from '../ingest/completeness.ts'
import { type Database } from '../ingest/database.ts'
import { storedMessages } from '../ingest/evidence.ts'
import { Ranges } from '../simulator/ranges.ts'
import { type CatchUpFacts, type CounterFacts, type Facts, type MemoryFacts, type RestFacts } from './facts.ts'
import { type DoneFault } from './fault.ts'
import { bootKey, type Losses, lossesOf } from './gaps.ts'
import { type Program } from './parts/program.ts'
import { type Setup } from './setup.ts'
import { readStreams, withRedis } from './streams.ts'

export interface Course {
  readonly rest: RestFacts
  readonly faults: readonly DoneFault[]
  readonly memory: readonly MemoryFacts[]
  readonly catchUp: CatchUpFacts | null
  readonly measured: Readonly<Record<string, number>>
  readonly notes: readonly string[]
}

export async function collect (setup: Setup, course: Course): Promise<Facts> {
  const { database, devices, keeper } = setup
  // asked before the comparison: the devices are at rest, so nothing moves
  const counters = setup.programs.every(({ name }) => keeper.starts(name) === 0) ? await countersOf(setup) : null
  const { comparison, balance, receipts } = await devices.evidence(database)
  return {
    devices: devices.facts(),
    comparison,
    balance,
    receipts,
    counters,
    quarantined: await quarantinedByReason(database),
    unreadable: await unreadableIn(database),
    losses: await lossesIn(setup),
    streams: await withRedis(setup.redis.url, readStreams),
    deaths: keeper.deaths,
    versions: await versionsOf(setup),
    ...course
  }
}

async function versionsOf ({ database, redis }: Setup): Promise<Record<string, string>> {
  const { rows: [row] } = await database.query<{ postgresql: string, timescaledb: string | null }>(`
    SELECT current_setting('server_version') AS postgresql, (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb`)
  const info = await withRedis(redis.url, (connection) => connection.info('server'))
  return { postgresql: row?.postgresql ?? '?', timescaledb: row?.timescaledb ?? 'none', redis: /redis_version:(\S+)/.exec(info)?.[1] ?? '?' }
}

async function quarantinedByReason (database: Database): Promise<Record<string, number>> {
  const { rows } = await database.query<{ reason: string, count: string }>('SELECT reason, count(*) FROM quarantine GROUP BY reason ORDER BY reason')
  return Object.fromEntries(rows.map(({ reason, count }) => [reason, Number(count)]))
}

async function unreadableIn (database: Database): Promise<number> {
  const { rows: [row] } = await database.query<{ count: string }>('SELECT count(*) FROM quarantine WHERE boot IS NULL OR seq IS NULL')
  return Number(row?.count ?? 0)
}

async function lossesIn ({ database, devices }: Setup): Promise<Losses> {
  const stored = new Map<string, Ranges>()
  for await (const { device, boot, seq } of storedMessages(database, devices.ids)) {
    const key = bootKey(device, boot)
    let ranges = stored.get(key)
    if (ranges === undefined) stored.set(key, ranges = new Ranges())
    ranges.add(seq)
  }
  const gaps = new Map<string, BootCompleteness[]>()
  for (const device of devices.ids) gaps.set(device, await completeness(database, device))
  return lossesOf(devices.heldBoots(), stored, gaps)
}

async function countersOf ({ brokers, workers }: Setup): Promise<CounterFacts> {
  const [ofBrokers, ofWorkers] = await Promise.all([metricsOf(brokers), metricsOf(workers)])
  const settled = (outcome: string): number => sumOf(ofWorkers, 'pulsegate_messages_total', `outcome="${outcome}"`)
  return {
    received: sumOf(ofBrokers, 'pulsegate_broker_messages_received_total'),
    refused: sumOf(ofBrokers, 'pulsegate_broker_refused_total', 'stage="publish"'),
    stored: settled('stored'),
    duplicate: settled('duplicate'),
    quarantined: settled('quarantined')
  }
}

async function metricsOf (programs: readonly Program[]): Promise<Array<ReadonlyMap<string, number>>> {
  return await Promise.all(programs.map((program) => program.metrics()))
}

/** Over all processes, the values of `name` whose labels hold `label`. Pure. */
export function sumOf (all: ReadonlyArray<ReadonlyMap<string, number>>, name: string, label = ''): number {
  let sum = 0
  for (const metrics of all) {
    for (const [series, value] of metrics) {
      if ((series === name || series.startsWith(`${name}{`)) && series.includes(label)) sum += value
    }
  }
  return sum
}
