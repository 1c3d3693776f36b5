// Gathers what the view shows, once per interval, and hands it to a painter. Looking never disturbs the work: a database
// that does not answer leaves the old picture standing and says so.
import { type Service } from './serve.ts'
import { type Simulator } from '../simulator/simulator.ts'
import { sleep } from '../runtime/retry.ts'
import { readDatabaseBytes, readEcg } from './view/trace.ts'
import { type Snapshot, type Trace } from './view/snapshot.ts'

export interface WatchOptions {
  readonly service: Service
  readonly simulator: Simulator | null
  /** The device whose ECG is plotted; null = no plot. */
  readonly plotted: string | null
  readonly everyMs: number
  readonly show: (now: Snapshot) => void
  readonly signal: AbortSignal
}

const lookPatienceMs = 1_000

interface Totals { readonly atMs: number, readonly rows: number, readonly messages: number, readonly batches: number }

/** Shows a snapshot every `everyMs` until `signal` aborts. */
export async function watch ({ service, simulator, plotted, everyMs, show, signal }: WatchOptions): Promise<void> {
  const startedMs = performance.now()
  let before = totals(service)
  let databaseBytes = 0
  let trace: Trace | null = null
  let looking: ReturnType<typeof look> | null = null
  while (!signal.aborted) {
    await sleep(everyMs, signal).catch(() => {})
    const now = totals(service)
    // one look at a time: a database that hangs must not collect them, nor stop the view
    looking ??= look(service, plotted).finally(() => { looking = null })
    const looked = await Promise.race([looking, sleep(lookPatienceMs, signal).then(() => null, () => null)])
    if (looked) ({ databaseBytes, trace } = looked)
    if (signal.aborted) return
    show({ ...numbers(service, simulator, before, now), elapsedMs: now.atMs - startedMs, databaseBytes, trace })
    before = now
  }
}

async function look ({ database }: Service, plotted: string | null): Promise<{ databaseBytes: number, trace: Trace | null } | null> {
  try {
    const [databaseBytes, trace] = await Promise.all([
      readDatabaseBytes(database),
      plotted === null ? null : readEcg(database, plotted)
    ])
    return { databaseBytes, trace }
  } catch {
    return null // /readyz and `notReady` say why
  }
}

function totals ({ worker }: Service): Totals {
  const { stored, duplicate, quarantined, samples, waves, batches } = worker.status().totals
  return { atMs: performance.now(), messages: stored + duplicate + quarantined, rows: samples + waves, batches }
}

function numbers (service: Service, simulator: Simulator | null, before: Totals, now: Totals): Omit<Snapshot, 'elapsedMs' | 'databaseBytes' | 'trace'> {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1_000)
  const batches = now.batches - before.batches
  const broker = service.broker.stats()
  const devices = simulator?.stats()
  const { checks } = service.health.report()
  return {
    database: service.databaseKind,
    connected: broker.sessions,
    devices: devices?.connections ?? broker.sessions,
    acknowledged: broker.pubacksSent,
    messagesPerS: (now.messages - before.messages) / seconds,
    rowsPerS: (now.rows - before.rows) / seconds,
    // the devices' own measure; without a simulator the broker's, from taking a PUBLISH to writing its PUBACK
    p50Ms: (devices ?? broker).ackLatency.p50Ms ?? NaN,
    p99Ms: (devices ?? broker).ackLatency.p99Ms ?? NaN,
    messagesPerBatch: batches > 0 ? (now.messages - before.messages) / batches : 0,
    quarantined: service.worker.status().totals.quarantined,
    notReady: Object.entries(checks).filter(([, { ready }]) => !ready).map(([name, { reason }]) => `${name}: ${reason ?? 'no reason given'}`)
  }
}
