// Hears of changes in the registry as they commit, so that a suspended device is out within a second. Takes a database URL, tells
// (id, state) of each change of a state and the keys of each change of a pairing; on one connection of its own that listens. Whatever may
// have been missed is asked for: after each connect, and every half minute, the states of all devices the caller knows of. A dead or
// half-open connection is noticed within seconds.
import { once } from 'node:events'
import pg from 'pg'
import { type Observability } from '../runtime/observability.ts'
import { backoffMs, sleep } from '../runtime/retry.ts'
import { deviceStates, isDeviceId, type DeviceState } from '../schemas/device.ts'
import { startupOf } from './database.ts'
import { explainTls } from './database-tls.ts'
import { describeFault } from './sqlstate.ts'

export interface RegistryWatchOptions {
  readonly url: string
  readonly role?: 'pulsegate_ingest' | 'pulsegate_broker'
  readonly observability: Observability
  /** A device is in this state now; one that was deleted counts as retired. May be told twice, and of devices the caller does not know. */
  readonly changed: (id: string, state: DeviceState) => void
  /** The devices whose state matters to the caller; those that are not active are told. */
  readonly knownIds: () => Iterable<string>
  /** A pairing has begun, ended or been moved; both are keys in `device`. */
  readonly pairingChanged?: (gateway: number, sensor: number) => void
  /** It hears from now on; what came before may have been missed. */
  readonly listening?: () => void
  /** How often all of them are asked for without a reason; default 30 s. */
  readonly sweepEveryMs?: number
}

export interface RegistryWatch {
  /** Why changes may not be heard, null while they are. */
  readonly fault: string | null
  close (): Promise<void>
}

const channel = 'pulsegate_registry'
const pairingChannel = 'pulsegate_pairing'
const beatEveryMs = 1_000
const connectTimeoutMs = 5_000
const answerTimeoutMs = 3_000 // a half-open connection is noticed after this and a beat
const endTimeoutMs = 1_000
const idsPerQuestion = 1_000
const reconnect = { baseMs: 200, capMs: 5_000 }

/** Connects in the background, so it also succeeds while the database is away. */
export function watchRegistry (options: RegistryWatchOptions): RegistryWatch {
  const watch = new Watch(options)
  watch.run()
  return watch
}

class Watch implements RegistryWatch {
  fault: string | null = 'registry watch: not connected yet'
  readonly #options: RegistryWatchOptions
  readonly #log: Observability['log']
  readonly #stopping = new AbortController()
  readonly #closed = once(this.#stopping.signal, 'abort')
  #running: Promise<void> = Promise.resolve()
  #failures = 0

  constructor (options: RegistryWatchOptions) {
    this.#options = options
    this.#log = options.observability.log.child({ part: 'registry watch' })
  }

  run (): void { this.#running = this.#again() }

  async close (): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #again (): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      let client: pg.Client | null = null
      try {
        client = this.#client()
        await this.#listen(client)
      } catch (error) {
        if (!signal.aborted) this.#away(explainTls(error))
      } finally {
        if (client !== null) await end(client)
      }
      await sleep(20 + backoffMs({ ...reconnect, attempt: this.#failures }), signal).catch(() => {})
    }
  }

  #client (): pg.Client {
    const { url, role } = this.#options
    const client = new pg.Client({
      ...startupOf(url, role),
      application_name: 'pulsegate registry watch',
      connectionTimeoutMillis: connectTimeoutMs,
      statement_timeout: answerTimeoutMs,
      query_timeout: answerTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000
    })
    client.on('notification', (notification) => { this.#heard(notification) })
    return client
  }

  /** Listens until the connection breaks (rejects) or the watch is closed (resolves). */
  async #listen (client: pg.Client): Promise<void> {
    const { signal } = this.#stopping
    const broken = new Promise<never>((_resolve, reject) => {
      client.on('error', reject)
      client.on('end', () => { reject(new Error('the connection ended')) })
    })
    broken.catch(() => {}) // heard below when it matters
    const listening = async (): Promise<void> => {
      await client.connect()
      await client.query(`LISTEN ${channel}; LISTEN ${pairingChannel}`)
      this.#options.listening?.()
      await this.#sweep(client) // after LISTEN: what commits from now on is heard, what came before is asked for
      this.#here()
      for (let sinceSweepMs = 0; !signal.aborted;) {
        await sleep(beatEveryMs, signal)
        sinceSweepMs += beatEveryMs
        if (sinceSweepMs < (this.#options.sweepEveryMs ?? 30_000)) await client.query('SELECT 1')
        else {
          await this.#sweep(client)
          sinceSweepMs = 0
        }
      }
    }
    await Promise.race([listening(), broken, this.#closed])
  }

  /** Asks for those of the caller's devices that are not active; those that are gone count as retired. */
  async #sweep (client: pg.Client): Promise<void> {
    let ids: string[] = []
    const ask = async (): Promise<void> => {
      const { rows } = await client.query<{ id: string, state: DeviceState }>(notActive, [ids])
      for (const { id, state } of rows) this.#options.changed(id, state)
      ids = []
    }
    for (const id of this.#options.knownIds()) if (ids.push(id) === idsPerQuestion) await ask()
    if (ids.length > 0) await ask()
  }

  #heard ({ channel: from, payload }: pg.Notification): void {
    if (from === pairingChannel) {
      const pairing = pairingIn(payload)
      if (pairing !== null) return this.#options.pairingChanged?.(pairing.gateway, pairing.sensor)
    } else {
      const change = changeIn(payload)
      if (change !== null) return this.#options.changed(change.id, change.state)
    }
    this.#log.warn('a notification that is not ours was ignored')
  }

  #here (): void {
    this.#failures = 0
    this.fault = null
    this.#log.info('changes of the registry are heard')
  }

  #away (error: unknown): void {
    if (this.#failures++ === 0) this.#log.warn({ error: describeFault(error) }, 'changes of the registry are not heard until the database is back')
    this.fault = `registry watch: ${describeFault(error)}`
  }
}

const notActive = `SELECT asked.id, coalesce(device.state, 'retired') AS state
  FROM unnest($1::uuid[]) AS asked (id) LEFT JOIN device ON device.id = asked.id WHERE device.state IS DISTINCT FROM 'active'`

/** The change that a notification tells of; null when it is none of ours. */
export function changeIn (payload: string | undefined): { id: string, state: DeviceState } | null {
  try {
    const { id, state } = JSON.parse(payload ?? '') as { id?: unknown, state?: unknown }
    const known = deviceStates.find((name) => name === state)
    return typeof id === 'string' && isDeviceId(id) && known !== undefined ? { id, state: known } : null
  } catch {
    return null
  }
}

/** The pairing that a notification tells of, by keys; null when it is none of ours. */
export function pairingIn (payload: string | undefined): { gateway: number, sensor: number } | null {
  try {
    const { gateway, sensor } = JSON.parse(payload ?? '') as { gateway?: unknown, sensor?: unknown }
    return isKey(gateway) && isKey(sensor) ? { gateway, sensor } : null
  } catch {
    return null
  }
}

function isKey (value: unknown): value is number { return Number.isSafeInteger(value) && (value as number) > 0 }

/** Ends the connection; one whose other end is gone is left to the kernel. */
async function end (client: pg.Client): Promise<void> {
  const ended = new AbortController()
  await Promise.race([client.end().catch(() => {}), sleep(endTimeoutMs, ended.signal).catch(() => {})])
  ended.abort()
}
