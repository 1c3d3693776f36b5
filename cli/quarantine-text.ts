// What the quarantine commands print for a person. Pure.
import { type QuarantineEntry, type ReasonCount } from '../ingest/quarantine.ts'
import { unopenedMeanings } from '../ingest/quarantine-open.ts'
import { quarantineReasons } from '../schemas/reasons.ts'
import { diagnostic, hexText } from './cbor-text.ts'
import { table, timeText } from './text.ts'
import { count } from './view/format.ts'

/** One line of what a reason means. */
export function meaningOf (reason: string): string {
  return (quarantineReasons as Readonly<Record<string, string>>)[reason] ?? unopenedMeanings[reason] ?? 'a reason of another version'
}

/** `more`: the page is full, so there may be another. */
export function listText (entries: readonly QuarantineEntry[], more: boolean): string {
  if (entries.length === 0) return 'nothing in quarantine\n'
  const rows = entries.map((entry) => [String(entry.id), timeText(entry.receivedAt), String(entry.times), entry.publisher, entry.kind, entry.reason,
    entry.detail, entry.replayOutcome ?? ''])
  const text = table(['id', 'received (UTC)', 'times', 'publisher', 'kind', 'reason', 'detail', 'last replay'], rows)
  return more ? `${text}more: --before ${entries.at(-1)?.id ?? 0}\n` : text
}

export function reasonsText (counts: readonly ReasonCount[]): string {
  if (counts.length === 0) return 'nothing in quarantine\n'
  const sum = counts.reduce((total, { messages }) => total + messages, 0)
  return `${reasonTable(counts)}${count(sum)} in quarantine\n`
}

export function reasonTable (counts: readonly ReasonCount[]): string {
  return table(['reason', 'messages', 'meaning'], counts.map(({ reason, messages }) => [reason, count(messages), meaningOf(reason)]))
}

export function showText (entry: QuarantineEntry & { readonly payload: Buffer }): string {
  const facts: Array<[string, string]> = [
    ['id', String(entry.id)],
    ['received', `${timeText(entry.receivedAt)} UTC${entry.times > 1 ? `, ${entry.times} times, last ${timeText(entry.lastReceivedAt)}` : ''}`],
    ['publisher', entry.publisher],
    ['source', entry.source ?? '(not readable, or the publisher)'],
    ['message', entry.boot === null ? '(not readable)' : `boot ${entry.boot} seq ${entry.seq}`],
    ['kind', entry.kind],
    ['reason', `${entry.reason}: ${meaningOf(entry.reason)}`],
    ['detail', entry.detail],
    ['replayed', replayText(entry)],
    ['CBOR', diagnostic(entry.payload)]
  ]
  return `${facts.map(([name, value]) => `${name.padEnd(10)}${value}\n`).join('')}${entry.bytes} bytes\n${hexText(entry.payload)}`
}

function replayText ({ replayedAt, replayOutcome }: QuarantineEntry): string {
  if (replayOutcome === null) return 'no'
  return replayedAt === null ? `tried: ${replayOutcome}` : `${timeText(replayedAt)} UTC ${replayOutcome}`
}
