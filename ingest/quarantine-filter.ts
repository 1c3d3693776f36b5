// Which messages in quarantine are meant: one filter for listing, counting and replaying, and the SQL condition it makes.
// Pure. Values always travel as parameters, never in the text.
import { type UplinkKind } from '../queue/queue.ts'

/** What is left out does not restrict. */
export interface QuarantineFilter {
  /** One of these. */
  readonly reasons?: readonly string[]
  readonly publisher?: string
  /** The device that the readings belong to, as far as the header could be read; else the publisher. */
  readonly source?: string
  readonly kind?: UplinkKind
  /** Received (the last time, of repeats) at or after this, ms since 1970 UTC. */
  readonly sinceMs?: number
  /** Received (the first time) before this. */
  readonly untilMs?: number
}

/** These numbers, whether replayed before or not; or everything that the filter finds and that was not. */
export type Selection = { readonly ids: readonly number[] } | { readonly filter: QuarantineFilter }

/** A condition on the table quarantine and its parameters, from $1 on. */
export class Condition {
  readonly values: unknown[] = []
  readonly #parts: string[] = []

  /** Adds `text`; its `?`, if any, stands for `value`. */
  and (text: string, value?: unknown): this {
    this.#parts.push(value === undefined ? text : text.replace('?', this.parameter(value)))
    return this
  }

  /** One more parameter; gives its name in the text. */
  parameter (value: unknown): string { return `$${this.values.push(value)}` }

  get text (): string { return this.#parts.length === 0 ? 'true' : this.#parts.join(' AND ') }
}

/** What the filter finds; those replayed already only with `replayed`. */
export function conditionOf (filter: QuarantineFilter, { replayed = false } = {}): Condition {
  const { reasons, publisher, source, kind, sinceMs, untilMs } = filter
  const condition = new Condition()
  if (!replayed) condition.and('replayed_at IS NULL')
  // one reason by equality: then the index (reason, id) gives the order too
  if (reasons?.length === 1) condition.and('reason = ?', reasons[0])
  else if (reasons !== undefined) condition.and('reason = ANY(?::text[])', reasons)
  if (publisher !== undefined) condition.and('publisher = ?', publisher)
  if (source !== undefined) condition.and('coalesce(source, publisher) = ?', source)
  if (kind !== undefined) condition.and('kind = ?', kind)
  if (sinceMs !== undefined) condition.and('last_received_at >= to_timestamp(?::float8 / 1000)', sinceMs)
  if (untilMs !== undefined) condition.and('received_at < to_timestamp(?::float8 / 1000)', untilMs)
  return condition
}

/** What `selection` names, between two numbers (`after` left out, `upTo` included). */
export function conditionOfSelection (selection: Selection, { after, upTo }: { after: number, upTo: number }): Condition {
  const condition = 'ids' in selection ? new Condition().and('id = ANY(?::int8[])', selection.ids) : conditionOf(selection.filter)
  // of what was erased there are no bytes to replay
  return condition.and("reason <> 'erased'").and('id > ?', after).and('id <= ?', upTo)
}
