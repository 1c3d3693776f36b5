// What the worker knows of devices, pairings and boots without asking each time. A batch names what it needs, what is
// unknown or stale is asked for in one statement per kind, never one per message. Bounded: least recently used go first.
//
// States and pairings change: an answer is good for one second, and is forgotten at once when a change is heard of (registry-watch.ts), so
// a suspension is seen within a second in any case. An answer that would send a message to quarantine is never taken from here: a device
// that has just been approved or paired must not lose its first second. A boot's key and anchor never change: they are kept as long as
// there is room.
import { LRUCache } from 'lru-cache'
import { type DeviceState } from '../schemas/device.ts'
import { type Database } from './database.ts'
import { type ErasedColumn, erasedColumn, erasedOf } from './erased.ts'
import { isIn, type Period } from './period.ts'

export interface KnownDevice {
  readonly key: number
  readonly state: DeviceState
  /** Of which nothing may be stored any more (erased.ts); absent: none. */
  readonly erased?: readonly Period[]
}
export interface KnownBoot { readonly key: number, readonly anchorMs: number }
export interface NewBoot { readonly device: number, readonly boot: bigint, readonly anchorMs: number }

/** What of the registry has changed: the state of a device, a pairing (keys in `device`), or one does not know what. */
export type RegistryChange = { readonly device: string } | { readonly gateway: number, readonly sensor: number } | 'unknown'

interface Fresh<T> { readonly value: T, readonly untilMs: number }

const goodForMs = 1_000
// about 200 bytes an entry: 20 MB at the most for each cache
const maxEntries = 100_000

export class Lookup {
  readonly #database: Database
  readonly #now: () => number
  readonly #devices = new LRUCache<string, Fresh<KnownDevice>>({ max: maxEntries })
  readonly #pairings = new LRUCache<string, Fresh<readonly Period[]>>({ max: maxEntries })
  readonly #boots = new LRUCache<string, KnownBoot>({ max: maxEntries })
  /** Changes heard of: an answer that was asked for before one of them may be older than it. */
  #changes = 0

  constructor (database: Database, now: () => number = () => performance.now()) {
    this.#database = database
    this.#now = now
  }

  /** What is known of it is void. */
  forget (change: RegistryChange): void {
    this.#changes++
    if (change === 'unknown') {
      this.#devices.clear()
      this.#pairings.clear()
    } else if ('device' in change) this.#devices.delete(change.device)
    else this.#pairings.delete(`${change.gateway}:${change.sensor}`)
  }

  /** The devices of `ids`, those the registry does not have left out. */
  async devices (ids: ReadonlySet<string>): Promise<ReadonlyMap<string, KnownDevice>> {
    const known = new Map<string, KnownDevice>()
    const asked: string[] = []
    const nowMs = this.#now()
    const changes = this.#changes
    for (const id of ids) {
      const entry = this.#devices.get(id)
      if (entry === undefined || entry.untilMs <= nowMs || entry.value.state !== 'active') asked.push(id)
      else known.set(id, entry.value)
    }
    if (asked.length === 0) return known
    const { rows } = await this.#database.query<{ id: string, key: number, state: DeviceState } & ErasedColumn>(
      `SELECT id, key, state, ${erasedColumn} FROM device WHERE id = ANY($1::uuid[])`, [asked])
    const untilMs = nowMs + goodForMs
    for (const { id, key, state, erased } of rows) {
      const value = { key, state, ...erasedOf(erased) }
      if (changes === this.#changes) this.#devices.set(id, { value, untilMs })
      known.set(id, value)
    }
    return known
  }

  /** For pairs of keys `gateway:sensor`, each with the times of its messages: the periods in which they are paired. */
  async pairings (wanted: ReadonlyMap<string, readonly number[]>): Promise<ReadonlyMap<string, readonly Period[]>> {
    const known = new Map<string, readonly Period[]>()
    const asked = new Map<string, Period[]>()
    const nowMs = this.#now()
    const changes = this.#changes
    for (const [pair, times] of wanted) {
      const entry = this.#pairings.get(pair)
      if (entry === undefined || entry.untilMs <= nowMs || !times.every((timeMs) => isIn(entry.value, timeMs))) asked.set(pair, [])
      else known.set(pair, entry.value)
    }
    if (asked.size === 0) return known
    const keys = [...asked.keys()].map((pair) => pair.split(':'))
    const { rows } = await this.#database.query<{ pair: string, from_ms: number | null, to_ms: number | null }>(`
      -- times a thousand before it becomes a float: the other way round the first ms of a pairing may lie before it
      SELECT gateway || ':' || sensor AS pair, (extract(epoch FROM lower(period)) * 1000)::float8 AS from_ms,
        (extract(epoch FROM upper(period)) * 1000)::float8 AS to_ms
      FROM unnest($1::int4[], $2::int4[]) AS wanted (gateway, sensor) JOIN pairing USING (gateway, sensor)`,
    [keys.map(([gateway]) => gateway), keys.map(([, sensor]) => sensor)])
    for (const { pair, from_ms: fromMs, to_ms: toMs } of rows) {
      asked.get(pair)?.push({ fromMs: fromMs ?? -Infinity, toMs: toMs ?? Infinity })
    }
    for (const [pair, periods] of asked) {
      if (changes === this.#changes) this.#pairings.set(pair, { value: periods, untilMs: nowMs + goodForMs })
      known.set(pair, periods)
    }
    return known
  }

  /** A boot that has been seen before, if it is remembered here. `key`: of `bootKey`. */
  boot (key: string): KnownBoot | undefined {
    return this.#boots.get(key)
  }

  /**
   * Keys and anchors of boots not remembered, by `bootKey`. The first worker's anchor wins and is read back, outside of the batch's
   * transaction, so that every worker and every redelivery places the boot's messages at the same times.
   */
  async resolveBoots (wanted: ReadonlyMap<string, NewBoot>): Promise<void> {
    if (wanted.size === 0) return
    const boots = [...wanted.values()]
    const devices = boots.map(({ device }) => device)
    const ids = boots.map(({ boot }) => boot.toString())
    await this.#database.query(`
      INSERT INTO device_boot (device, boot, anchor)
      SELECT device, boot, to_timestamp(anchor_ms / 1000.0)
      FROM unnest($1::int4[], $2::numeric[], $3::float8[]) AS b (device, boot, anchor_ms) ORDER BY device, boot
      ON CONFLICT DO NOTHING`, [devices, ids, boots.map(({ anchorMs }) => anchorMs)])
    // a statement of its own: in the one above, a row that another worker has just committed could not be seen
    const { rows } = await this.#database.query<{ key: string, device: number, boot: string, anchor_ms: number }>(`
      SELECT key, device, boot::text, round(extract(epoch FROM anchor) * 1000)::float8 AS anchor_ms
      FROM unnest($1::int4[], $2::numeric[]) AS b (device, boot) JOIN device_boot USING (device, boot)`, [devices, ids])
    for (const { key, device, boot, anchor_ms: anchorMs } of rows) {
      this.#boots.set(`${device}:${boot}`, { key: Number(key), anchorMs })
    }
  }
}

/** How a boot is named in the map given to `resolveBoots`. */
export function bootKey (device: number, boot: bigint): string {
  return `${device}:${boot}`
}
