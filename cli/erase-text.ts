// What `pulsegate erase` says to a person. Pure. A subject is named only by who asked for it.
import { type ClearExport } from '../ingest/erase-exports.ts'
import { type Erasure, type ErasePart, type EraseRequest } from '../ingest/erase-plan.ts'
import { type Remaining } from '../ingest/erase-report.ts'
import { type EraseProgress, type Removed } from '../ingest/erase.ts'
import { table, timeText } from './text.ts'
import { count } from './view/format.ts'

const shownParts = 20

export function planText ({ target }: EraseRequest, parts: readonly ErasePart[]): string {
  if (parts.length === 0) return `${target.kind} ${target.id}: nothing was measured; quarantine and exports are looked through\n`
  const rows = parts.slice(0, shownParts).map(({ device, from, to }) => [device, from === null ? 'since ever' : timeText(from), timeText(to)])
  const more = parts.length > shownParts ? `and ${parts.length - shownParts} more\n` : ''
  return `what was measured for ${target.kind} ${target.id}:\n${table(['device', 'from (UTC)', 'to (UTC)'], rows)}${more}`
}

export function progressLine ({ removed, part, parts, doneTo }: EraseProgress): string {
  const at = doneTo === null ? '' : ` up to ${timeText(doneTo)}`
  return `part ${part} of ${parts}${at}: ${count(removed.samples)} samples, ${count(removed.waves)} waves\n`
}

export function doneText ({ id, tombstone }: Erasure, removed: Removed, remaining: readonly Remaining[], clear: readonly ClearExport[]): string {
  const what = (Object.entries(removed) as Array<[string, number]>).map(([name, rows]) => `${count(rows)} ${name}`).join(', ')
  const name = tombstone === null ? '' : `the subject is ${tombstone} from now on\n`
  const left = remaining.length === 0
    ? 'nothing names it any more\n'
    : `what still names it, and why:\n${table(['table', 'column', 'rows', 'why'], remaining.map(({ table, column, rows, why }) => [table, column, count(rows), why ?? 'IT SHOULD NOT BE THERE']))}`
  const files = clear.map(({ id, madeAt, madeBy }) => `out of reach: export ${id}, written in the clear by ${madeBy} at ${timeText(madeAt)}; delete the file\n`).join('')
  return `erasure ${id} removed: ${what}\n${name}${left}${files}`
}
