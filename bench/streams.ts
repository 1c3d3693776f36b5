// `bench streams`: what it costs to run broker and worker as processes of their own, with Redis Streams between them, beside the
// same path in one process. Over Redis a PUBACK means on disk in Redis, and rows come later, so there are two rates: acknowledged
// while the load lasted, and stored over the whole time from the first PUBLISH to the last row. All processes of the server side,
// Redis and the database included, share one core.
import { type BenchOptions } from './arguments.ts'
import { startDatabase, type BenchServer } from './database.ts'
import { publishLoad, type LoadResult, type Settled } from './generator.ts'
import { identities, type Identities } from './identities.ts'
import { pathValues } from './load-values.ts'
import { payloadOf } from './messages.ts'
import { startNodeServer, type NodeProgram, type RunningServer } from './node-server.ts'
import { type Measurement } from './outcome.ts'
import { pathDevices, pathLoads, type PathLoad } from './path-loads.ts'
import { startRedis } from './redis.ts'
import { inRounds, type Case } from './rounds.ts'
import { mustHold, untilStored } from './stored.ts'
import { oneProcess, overRedis, streamsTable } from './streams-table.ts'

// several processes share the core, and each must have been compiled before what is measured begins
const warmSeconds = 5

interface Setting {
  readonly devices: Identities
  readonly seconds: number
  readonly load: PathLoad
  readonly database: BenchServer
  readonly profile: string
}

interface Path {
  readonly databaseUrl: string
  readonly port: number
  /** pids by process */
  readonly watch: Readonly<Record<string, number>>
  readonly settled: Settled
}

/** Warms, measures, and counts the tables. */
async function measure ({ databaseUrl, port, watch, settled }: Path, { devices, seconds, load: { shape, samples } }: Setting): Promise<Record<string, number>> {
  const publish = async (loadSeconds: number): Promise<LoadResult> =>
    await publishLoad({ port, identities: devices, seconds: loadSeconds, watch }, shape, payloadOf(samples), settled)
  const { acknowledgedTotal: before } = await publish(warmSeconds)
  const result = await publish(seconds)
  const total = before + result.acknowledgedTotal
  const batches = await mustHold(databaseUrl, total, samples, true)
  const { acknowledged } = result
  return {
    acknowledgedRate: acknowledged.messages / acknowledged.seconds,
    storedRate: result.messages / result.seconds,
    behindSeconds: result.seconds - acknowledged.seconds,
    ...pathValues(result, samples),
    batch: total / batches
  }
}

async function runOneProcess (setting: Setting): Promise<Record<string, number>> {
  const { database, devices, profile } = setting
  return await database.withDatabase(async (databaseUrl) => await withServer('pulsegate', { ...devices, databaseUrl }, profile, async ({ process, port }) =>
    // acknowledged is stored: there is nothing to wait for
    await measure({ databaseUrl, port, watch: { process: process.pid, database: database.pid }, settled: async () => {} }, setting)))
}

async function runOverRedis (setting: Setting): Promise<Record<string, number>> {
  const { database, devices, profile } = setting
  return await database.withDatabase(async (databaseUrl) => {
    const redis = await startRedis()
    try {
      const places = { databaseUrl, redisUrl: redis.url }
      return await withServer('ingest', places, profile, async ({ process: worker }) =>
        await withServer('broker', { ...devices, ...places }, profile, async ({ process: broker, port }) => {
          const watch = { broker: broker.pid, redis: redis.pid, worker: worker.pid, database: database.pid }
          return await measure({ databaseUrl, port, watch, settled: untilStored(worker) }, setting)
        }))
    } finally {
      await redis.stop()
    }
  })
}

async function withServer<T> (program: NodeProgram, argument: unknown, profile: string, body: (server: RunningServer) => Promise<T>): Promise<T> {
  const server = await startNodeServer(program, argument, profile)
  try {
    return await body(server)
  } finally {
    await server.process.stop()
  }
}

export async function benchStreams ({ rounds, seconds, only, profile }: BenchOptions, onRun: (text: string) => void): Promise<Measurement> {
  const devices = await identities(pathDevices)
  const database = await startDatabase()
  try {
    const cases = pathLoads.flatMap((load): Case[] => {
      const setting = { devices, seconds, load, database, profile }
      return [
        { subject: oneProcess, shape: load.name, run: async () => await runOneProcess(setting) },
        { subject: overRedis, shape: load.name, run: async () => await runOverRedis(setting) }
      ]
    })
    const { runs, failures } = await inRounds(cases, { rounds, only, onRun })
    return { runs, failures, tables: [streamsTable(runs)], targets: [] }
  } finally {
    await database.stop()
  }
}
