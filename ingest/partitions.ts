// Sees to it that the days a batch writes to have partitions, before its transaction begins. Takes day numbers from the
// worker, asks the database once for each new day and remembers. With TimescaleDB there is nothing to do.
import { type Database } from './database.ts'

const dayMs = 86_400_000

/** The UTC day, counted from 1970, that a time belongs to; the key of a partition. */
export function dayOf (timeMs: number): number {
  return Math.floor(timeMs / dayMs)
}

export class Partitions {
  readonly #database: Database
  // at most retention's days, a few thousand numbers
  readonly #known = new Set<number>()

  constructor (database: Database) { this.#database = database }

  /**
   * Resolves when every day of `days` can be written to. Not inside a transaction of the batch: the new partitions must
   * stay when the batch is rolled back. Errors: SQLSTATE 22023 for a day outside what may be stored (over ten years old,
   * or over two days ahead), which placing in time has to have refused.
   */
  async ensure (days: Iterable<number>): Promise<void> {
    for (const day of days) {
      if (this.#known.has(day)) continue
      if (await this.#database.edition() === 'plain') {
        const noon = new Date((day + 0.5) * dayMs).toISOString()
        await this.#database.query('SELECT ensure_partitions($1, $1)', [noon])
      }
      this.#known.add(day)
    }
  }

  /** Asks again from now on: after `isMissingPartition`, or when retention has dropped days. */
  forget (): void { this.#known.clear() }
}
