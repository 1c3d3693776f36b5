// The subject's name: in its assignments, and in the records of exports, a tombstone takes its place, the same one everywhere. What was
// measured by whom and when stays known; of whom does not. An erasure of a part of the time splits the assignments at its edges.
import { type Client, type Database } from './database.ts'
import { type Erasure, type ErasePart } from './erase-plan.ts'

interface Piece { readonly subject: string, readonly lower: Date | null, readonly upper: Date | null }

/** Gives how many assignments carry the tombstone now. Nothing for a device. All of it in one transaction. */
export async function eraseSubject (database: Database, { target, tombstone, parts, asked }: Erasure): Promise<number> {
  if (target.kind !== 'subject' || tombstone === null) return 0
  const whole = asked.from === null && asked.to === null
  return database.transaction(async (client) => {
    let changed = 0
    for (const part of parts) changed += await renamePart(client, part, { subject: target.id, tombstone, whole })
    if (!whole) return changed
    // nothing of these was measured before the request; the name goes all the same
    const { rowCount } = await client.query('UPDATE assignment SET subject = $2 WHERE subject = $1', [target.id, tombstone])
    await client.query('UPDATE export SET subjects = array_replace(subjects, $1, $2) WHERE subjects @> ARRAY[$1]', [target.id, tombstone])
    return changed + (rowCount ?? 0)
  })
}

interface Names { readonly subject: string, readonly tombstone: string, readonly whole: boolean }

async function renamePart (client: Client, { key, from, to }: ErasePart, names: Names): Promise<number> {
  const { rows } = await client.query<Omit<Piece, 'subject'>>(`
    DELETE FROM assignment WHERE device = $1 AND subject = $2 AND period && tstzrange($3, $4) RETURNING lower(period) AS lower, upper(period) AS upper`,
  [key, names.subject, from, to])
  for (const row of rows) {
    for (const { subject, lower, upper } of pieces(row, { from, to }, names)) {
      await client.query('INSERT INTO assignment (device, subject, period) VALUES ($1, $2, tstzrange($3, $4))', [key, subject, lower, upper])
    }
  }
  return rows.length
}

/** What an assignment becomes when [from, to) of it is erased. Of a subject that goes as a whole, an open assignment ends there. Pure. */
export function pieces ({ lower, upper }: Omit<Piece, 'subject'>, { from, to }: Pick<ErasePart, 'from' | 'to'>, { subject, tombstone, whole }: Names): Piece[] {
  const made: Piece[] = []
  if (from !== null && (lower === null || lower < from)) made.push({ subject, lower, upper: from })
  made.push({ subject: tombstone, lower: from === null || (lower !== null && lower > from) ? lower : from, upper: upper === null || upper > to ? to : upper })
  if ((upper === null || upper > to) && !whole) made.push({ subject, lower: to, upper })
  return made
}
