// Which partitions this worker holds. Each is held under a lease that ends by itself when the worker dies or freezes; the workers that
// are alive share the partitions evenly: who holds more than its share hands some over (finished and acknowledged first, but for what
// waits), who holds less takes what is free. The time that counts is the server's.
import { failPoints } from '../../runtime/fail-points.ts'
import { type Logger } from '../../runtime/observability.ts'
import { uniqueName } from '../../runtime/process-name.ts'
import { type Connection, describeRedisFault } from './connection.ts'
import { orAborted } from '../../runtime/abort.ts'
import { type Keys } from './keys.ts'
import { Partition, type PartitionHost } from './partition.ts'
import { PartitionScripts, type Scripted, withScripts } from './scripts.ts'

export interface HoldingsOptions {
  readonly admin: Connection
  /** Partitions read and acknowledge on this one. */
  readonly reader: Connection
  readonly keys: Keys
  readonly partitions: number
  readonly leaseMs: number
  readonly host: PartitionHost
  readonly log: Logger
}

/** Most partitions a worker takes when `workers` share `partitions`. */
export function shareOf (partitions: number, workers: number): number {
  return Math.ceil(partitions / Math.max(1, workers))
}

export class Holdings {
  /** Shown to people: who this worker is. */
  readonly worker = uniqueName()
  readonly held = new Map<number, Partition>()
  readonly #options: HoldingsOptions
  readonly #admin: Scripted
  readonly #reader: Scripted
  readonly #avoid = new Map<number, number>()
  #timer: NodeJS.Timeout | null = null
  #turning: Promise<void> | null = null
  #again = false
  #takes = 0
  #taking = true
  #closed = false
  #fault: string | null = 'redis: partitions not taken yet'

  constructor (options: HoldingsOptions) {
    this.#options = options
    this.#admin = withScripts(options.admin.redis)
    this.#reader = withScripts(options.reader.redis)
  }

  /** Why leases cannot be looked after; null when they can. */
  get fault (): string | null { return this.#fault }

  /** Looks after the leases now, and from now on several times per lease. */
  turn (): void {
    if (this.#closed) return
    if (this.#turning !== null) { this.#again = true; return }
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#turning = this.#turnOnce().finally(() => {
      this.#turning = null
      const { leaseMs } = this.#options
      // jitter: workers that start together must not take from one another in step
      const waitMs = this.#again ? 10 : leaseMs / 5 + Math.random() * leaseMs / 20
      this.#again = false
      if (!this.#closed) this.#timer = setTimeout(() => { this.turn() }, waitMs).unref()
    })
  }

  /** Forgets a partition whose lease is gone; `avoidMs`: leaves it to others for so long. */
  drop (partition: Partition, avoidMs: number): void {
    if (this.held.get(partition.number) === partition) this.held.delete(partition.number)
    if (avoidMs > 0) this.#avoid.set(partition.number, performance.now() + avoidMs)
    partition.end()
    this.#release(partition).catch(() => {}) // it may be free already
  }

  /** Gives back what is idle and marked as leaving; the others may take it at once. */
  handOver (): void {
    for (const partition of this.held.values()) if (partition.leaving && partition.idle) this.drop(partition, 0)
  }

  /** Takes nothing more, not even back what it gives; what is held is renewed until `close`. */
  stopTaking (): void {
    this.#taking = false
    for (const partition of this.held.values()) partition.leaving = true
    this.handOver()
  }

  /** Gives all back that is still held and no longer counts as alive; does not wait for answers beyond the abort of `hard`. */
  async close (hard: AbortSignal): Promise<void> {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    await orAborted(this.#turning ?? Promise.resolve(), hard).catch(() => {})
    const releases = [...this.held.values()].map((partition) => {
      partition.end()
      return this.#release(partition)
    })
    this.held.clear()
    const { admin, keys } = this.#options
    const all = Promise.allSettled([...releases, admin.call((redis) => redis.zrem(keys.workers, this.worker))])
    await orAborted(all, hard).catch(() => {})
  }

  async #turnOnce (): Promise<void> {
    const { admin, keys, leaseMs, partitions } = this.#options
    try {
      const alive = await admin.call(() => this.#admin.pg_beat(keys.workers, this.worker, leaseMs)) as number
      await Promise.all([...this.held.values()].map((partition) => this.#renew(partition)))
      const share = shareOf(partitions, alive)
      this.#leaveBeyond(share)
      if (this.#taking) await this.#takeUpTo(share)
      this.#fault = null
    } catch (error) {
      this.#fault = describeRedisFault(error)
    }
    this.#options.host.moved()
  }

  async #renew (partition: Partition): Promise<void> {
    const { leaseMs, log } = this.#options
    if (await this.#hold(partition, leaseMs, 'renew')) return
    log.warn({ partition: partition.number }, 'lease lost: another worker may have the partition')
    this.drop(partition, 0)
  }

  #leaveBeyond (share: number): void {
    const staying = [...this.held.values()].filter(({ leaving }) => !leaving)
    for (const partition of staying.slice(share)) partition.leaving = true
    // the share has grown again before they were handed over
    const leaving = [...this.held.values()].filter((partition) => partition.leaving)
    if (this.#taking) for (const partition of leaving.slice(0, Math.max(0, share - staying.length))) partition.leaving = false
    this.handOver()
  }

  async #takeUpTo (share: number): Promise<void> {
    const { keys, partitions, leaseMs, log } = this.#options
    const now = performance.now()
    const candidates = shuffled(Array.from({ length: partitions }, (_, number) => number)
      .filter((number) => !this.held.has(number) && (this.#avoid.get(number) ?? 0) <= now))
    const taken: number[] = []
    for (const number of candidates) {
      if (this.held.size >= share || !this.#taking) break
      const token = `${this.worker}:${++this.#takes}`
      const partition = new Partition(number, new PartitionScripts(this.#reader, keys, number, token), this.#options.host)
      if (!await this.#hold(partition, leaseMs, 'take')) continue
      this.held.set(number, partition)
      taken.push(number)
      failPoints.hit('after-lease-before-read')
    }
    if (taken.length > 0) log.info({ worker: this.worker, taken, held: this.held.size, share }, 'partitions taken')
  }

  #hold (partition: Partition, ms: number, how: 'take' | 'renew'): Promise<boolean> {
    return this.#options.admin.call(() => partition.scripts.hold(this.#admin, ms, how))
  }

  async #release (partition: Partition): Promise<void> {
    await this.#options.admin.call(() => partition.scripts.release(this.#admin, this.#options.keys.wake))
  }
}

function shuffled<T> (items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j] as T, items[i] as T]
  }
  return items
}
