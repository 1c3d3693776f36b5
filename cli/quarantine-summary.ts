// What a replay says at its end, for a person or for a program. Pure.
import { type ReplayPage } from '../ingest/quarantine-replay.ts'
import { type Progress } from './quarantine-progress.ts'
import { reasonTable } from './quarantine-text.ts'
import { table } from './text.ts'
import { count } from './view/format.ts'

/** `failed`: the error follows. */
export type Ending = 'done' | 'interrupted' | 'failed'

export interface Outcome {
  readonly ending: Ending
  readonly dryRun: boolean
  readonly progress: Progress
  /** One by one, when the messages were named one by one. */
  readonly results: ReplayPage['results'] | null
}

export function summaryText (outcome: Outcome, json: boolean): string {
  return json ? `${JSON.stringify(summaryData(outcome))}\n` : forPerson(outcome)
}

function summaryData ({ ending, dryRun, progress, results }: Outcome): Record<string, unknown> {
  const reasons = Object.fromEntries(progress.tally.reasons.map(({ reason, messages }) => [reason, messages]))
  const seconds = Math.round(progress.seconds * 1_000) / 1_000
  return { event: ending, dryRun, ...progress.numbers(), reasons, seconds, ...(results && { results }) }
}

function forPerson (outcome: Outcome): string {
  const { ending, dryRun, progress, results } = outcome
  const { done, stored, duplicate, quarantined, reasons } = progress.tally
  if (ending === 'done' && done === 0) return 'nothing to replay\n'
  const told = results === null ? '' : table(['id', 'outcome'], results.map(({ id, outcome, reason }) => [String(id), reason === null ? outcome : `${outcome}: ${reason}`]))
  const numbers = dryRun
    ? `${count(stored)} would be stored, ${count(duplicate)} are stored already, ${count(quarantined)} would stay in quarantine`
    : `${count(stored)} stored, ${count(duplicate)} duplicate, ${count(quarantined)} still in quarantine`
  const stays = quarantined === 0 ? '' : `\n${reasonTable(reasons)}`
  return `${told}${began(outcome)}: ${numbers}\n${stays}${goOn(outcome)}`
}

function began ({ ending, dryRun, progress }: Outcome): string {
  const { done } = progress.tally
  const { total = null } = progress.numbers()
  const how = dryRun ? 'dry run, nothing was written: ' : ''
  if (ending === 'done') return `${how}${count(done)} ${done === 1 ? 'message' : 'messages'} in ${progress.seconds.toFixed(1)} s`
  return `${how}${ending} after ${count(done)}${total === null ? '' : ` of ${count(total)}`}`
}

function goOn ({ ending, progress }: Outcome): string {
  if (ending === 'done') return ''
  const { lastId } = progress.tally
  return `\nThe same command again goes on: what is stored is left out.${lastId === null ? '' : ` With --after ${lastId} it also leaves out what was tried and stays.`}\n`
}
