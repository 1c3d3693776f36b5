// Appends to the chain: one transaction under an advisory lock, so that any number of processes write one chain without a fork or a gap.
// Takes stamped events, gives the new head. Told twice (after a COMMIT whose answer was lost), an event is stored once.
import { type Client, type Database } from '../database.ts'
import { chainRows, emptyChain, type Head } from './chain.ts'
import { type StampedEvent } from './event.ts'

export interface Appended {
  readonly head: Head
  /** Without those that were there already. */
  readonly written: number
}

// ours alone among the users of the server's advisory locks: "PG" and a number; migrate.ts has the one before
const lockKey = 7_040_010

/** Resolves when committed. Errors: those of Database.transaction. */
export function append (database: Database, events: readonly StampedEvent[], signal?: AbortSignal): Promise<Appended> {
  return database.transaction(async (client) => {
    // its own statement: the next one must see what the holder before has committed
    await client.query('SELECT pg_advisory_xact_lock($1)', [lockKey])
    const head = await readHead(client)
    const rows = chainRows(head, await unknown(client, events))
    if (rows.length > 0) {
      await client.query('INSERT INTO audit (number, id, hash, event) SELECT * FROM unnest($1::int8[], $2::uuid[], $3::bytea[], $4::text[])',
        [rows.map(({ number }) => number), rows.map(({ id }) => id), rows.map(({ hash }) => hash), rows.map(({ text }) => text)])
    }
    return { head: rows.at(-1) ?? head, written: rows.length }
  }, signal)
}

/** The last row's number and hash. */
export async function readHead (client: Pick<Client, 'query'> | Pick<Database, 'query'>): Promise<Head> {
  const { rows } = await (client as Pick<Database, 'query'>).query<{ number: string, hash: Buffer }>('SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1')
  const [last] = rows
  return last === undefined ? emptyChain : { number: Number(last.number), hash: last.hash }
}

async function unknown (client: Client, events: readonly StampedEvent[]): Promise<StampedEvent[]> {
  const byId = new Map(events.map((event) => [event.id, event]))
  const { rows } = await client.query<{ id: string }>('SELECT id FROM audit WHERE id = ANY($1::uuid[])', [[...byId.keys()]])
  for (const { id } of rows) byId.delete(id)
  return [...byId.values()]
}
