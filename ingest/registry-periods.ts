// The periods of one device, in pairings and in assignments alike: [from, until) with whoever holds it then, a gateway or a subject. What
// stands in the way of a new one is decided here, purely; what reads and writes works inside the caller's transaction, the device's row
// locked. That periods never overlap is the database's own rule, for whoever goes round this file.
import { type ClientBase } from 'pg'
import { type DeviceEvent } from './registry-events.ts'
import { type Span } from './registry-show.ts'

export type PeriodTable = 'pairing' | 'assignment'

export interface HeldPeriod extends Span {
  /** Id of the gateway, or the subject. */
  readonly holder: string
  /** It begins at the very time that was asked about. */
  readonly begins: boolean
  /** It holds at that time. */
  readonly holds: boolean
}

export type Holder = { readonly gateway: string } | { readonly subject: string }

/** What a change did: the events for the audit trail, none when it was so already; and for whoever asked for it, the periods. */
export interface Effect {
  readonly events: readonly DeviceEvent[]
  /** What holds now. */
  readonly period?: Holder & Span
  /** What was ended; `until` is its new end, `untilBefore` the one it had, null: none. */
  readonly ended?: Holder & Span & { readonly untilBefore: Date | null }
  /** What is there no more. */
  readonly takenBack?: Holder & Span
}

const sources = {
  pairing: { device: 'sensor', holder: 'g.id', from: 'pairing JOIN device g ON g.key = gateway' },
  assignment: { device: 'device', holder: 'subject', from: 'assignment' }
} as const satisfies Record<PeriodTable, object>

/** Those that share any time with [from, until), oldest first. */
export function periodsWithin (client: ClientBase, table: PeriodTable, device: number, { from, until }: { from: Date, until: Date | null }): Promise<HeldPeriod[]> {
  return readPeriods(client, table, [device, from, until], 'tstzrange($2::timestamptz, $3)')
}

export async function periodAt (client: ClientBase, table: PeriodTable, device: number, at: Date): Promise<HeldPeriod | undefined> {
  return (await readPeriods(client, table, [device, at], "tstzrange($2::timestamptz, $2, '[]')"))[0]
}

async function readPeriods (client: ClientBase, table: PeriodTable, values: readonly [number, ...Array<Date | null>], range: string): Promise<HeldPeriod[]> {
  const { device, holder, from } = sources[table]
  const { rows } = await client.query<HeldPeriod>(`
    SELECT ${holder} AS holder, nullif(lower(period), '-infinity') AS from, nullif(upper(period), 'infinity') AS until,
      lower(period) IS NOT DISTINCT FROM $2 AS begins, period @> $2 AS holds
    FROM ${from} WHERE ${device} = $1 AND period && ${range} ORDER BY period`, [...values])
  return rows
}

/** The first of `periods` that does not make room for another one: only one that is open is handed over, from a later time than its beginning. */
export function inTheWay (periods: readonly HeldPeriod[]): HeldPeriod | undefined {
  return periods.find(({ holds, begins, until }) => !holds || begins || until !== null)
}

/** The period that holds at `at` ends then. */
export async function endPeriod (client: ClientBase, table: PeriodTable, device: number, at: Date): Promise<void> {
  await client.query(`UPDATE ${table} SET period = tstzrange(lower(period), $2) WHERE ${sources[table].device} = $1 AND period @> $2::timestamptz`, [device, at])
}

/** The period that holds at `at` ends then; one that begins at that very time is taken back. Undefined: there is none. */
export async function endOrTakeBack (client: ClientBase, table: PeriodTable, device: number, at: Date): Promise<HeldPeriod | undefined> {
  const held = await periodAt(client, table, device, at)
  if (held?.begins === true) await client.query(`DELETE FROM ${table} WHERE ${sources[table].device} = $1 AND period @> $2::timestamptz`, [device, at])
  else if (held !== undefined) await endPeriod(client, table, device, at)
  return held
}

/** As `endOrTakeBack` did it to `held`. */
export function endedAs (held: HeldPeriod, holder: Holder, at: Date): Pick<Effect, 'ended' | 'takenBack'> {
  const { from, until } = held
  return held.begins ? { takenBack: { ...holder, from, until } } : { ended: { ...holder, from, until: at, untilBefore: until } }
}

/** For the message of a refusal. Not whose it is: only `show` says that, which is recorded. */
export function spanWords ({ from, until }: Span): string {
  return `${from === null ? 'from ever' : `from ${from.toISOString()}`} ${until === null ? 'until it is ended' : `until ${until.toISOString()}`}`
}
