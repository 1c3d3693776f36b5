// When each device was last heard of: noted in memory per batch, written at most every half minute, apart from the batches,
// so that it costs them nothing. Best effort: what a killed process had not written is made good by the next message.
import { type Columns } from './columns.ts'
import { type Database } from './database.ts'

const writeEveryMs = 30_000

export class LastSeen {
  readonly #database: Database
  #seen = new Map<number, number>()
  #writtenAt = performance.now()
  #writing: Promise<void> | null = null

  constructor (database: Database) { this.#database = database }

  note (columns: Columns): void {
    for (let i = 0; i < columns.messages; i++) {
      const receivedAtMs = columns.receivedAtMs[i] as number
      this.#seen.set(columns.device[i] as number, receivedAtMs)
      this.#seen.set(columns.publisher[i] as number, receivedAtMs)
    }
    if (this.#writing === null && performance.now() - this.#writtenAt >= writeEveryMs) this.write().catch(() => {})
  }

  /** Writes what was noted; never rejects. */
  write (): Promise<void> {
    this.#writing ??= this.#write().finally(() => { this.#writing = null })
    return this.#writing
  }

  async #write (): Promise<void> {
    const seen = [...this.#seen].sort(([a], [b]) => a - b)
    this.#seen = new Map()
    this.#writtenAt = performance.now()
    if (seen.length === 0) return
    await this.#database.query(`
      UPDATE device SET last_seen = to_timestamp(s.ms / 1000.0)
      FROM unnest($1::int4[], $2::float8[]) AS s (key, ms)
      WHERE device.key = s.key AND device.last_seen < to_timestamp(s.ms / 1000.0)`,
    [seen.map(([key]) => key), seen.map(([, ms]) => ms)]).catch(() => {})
  }
}
