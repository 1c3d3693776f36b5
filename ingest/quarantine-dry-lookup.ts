// The lookup of a dry run: answers as the worker's does, and leaves nothing in the database. A boot that is not known yet gets a
// key and an anchor for this run only, those that a real replay would give it.
import { LRUCache } from 'lru-cache'
import { type Database } from './database.ts'
import { bootKey, type KnownBoot, Lookup, type NewBoot } from './lookup.ts'

const maxBoots = 100_000

export class DryLookup extends Lookup {
  readonly #database: Database
  readonly #boots = new LRUCache<string, KnownBoot>({ max: maxBoots })
  #made = 0

  constructor (database: Database) {
    super(database)
    this.#database = database
  }

  override boot (key: string): KnownBoot | undefined { return this.#boots.get(key) }

  override async resolveBoots (wanted: ReadonlyMap<string, NewBoot>): Promise<void> {
    if (wanted.size === 0) return
    const boots = [...wanted.values()]
    const { rows } = await this.#database.query<{ key: string, device: number, boot: string, anchor_ms: number }>(`
      SELECT key, device, boot::text, round(extract(epoch FROM anchor) * 1000)::float8 AS anchor_ms
      FROM unnest($1::int4[], $2::numeric[]) AS b (device, boot) JOIN device_boot USING (device, boot)`,
    [boots.map(({ device }) => device), boots.map(({ boot }) => boot.toString())])
    // keys of the table are above 0: these can be taken for none of them
    for (const [key, { anchorMs }] of wanted) this.#boots.set(key, { key: -(++this.#made), anchorMs })
    for (const { key, device, boot, anchor_ms: anchorMs } of rows) this.#boots.set(bootKey(device, BigInt(boot)), { key: Number(key), anchorMs })
  }
}
