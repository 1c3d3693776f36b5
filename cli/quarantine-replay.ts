// `pulsegate quarantine replay`: which messages, how it goes, how it ended. A signal ends it after the page at hand; the same
// command again goes on where it was. Exit codes: 0 all selected is stored, 1 some stay in quarantine, 2 no selection, 130 or
// 143 ended by SIGINT or SIGTERM before the end.
import { Command } from 'commander'
import { type Database } from '../ingest/database.ts'
import { type PrepareContext } from '../ingest/prepare.ts'
import { type Selection } from '../ingest/quarantine-filter.ts'
import { openReplay, type Replay, type ReplayOptions, type ReplayPage } from '../ingest/quarantine-replay.ts'
import { type AuditEvent, type AuditLog } from '../runtime/audit.ts'
import { describeError } from '../runtime/errors.ts'
import { Lifecycle } from '../runtime/lifecycle.ts'
import { quietObservability } from '../runtime/observability.ts'
import { handleSignals } from '../runtime/signals.ts'
import { wholeNumber } from './arguments.ts'
import { addAuditedOptions, withAudited } from './open-audit.ts'
import { addKeyOptions, withDataKeys } from './open-keys.ts'
import { addSettings, configOf } from './options.ts'
import { quarantineEvent, selectionDetail } from './quarantine-audit.ts'
import { addFilterOptions, filterOf, type FilterOptions } from './quarantine-filter.ts'
import { Progress, type ProgressOptions } from './quarantine-progress.ts'
import { type Ending, summaryText } from './quarantine-summary.ts'

export interface ReplayHooks {
  /** A decoder in place of the program's own: a test's mended one. */
  readonly decode?: NonNullable<PrepareContext['decode']>
}

interface Flags extends FilterOptions {
  readonly all?: true
  readonly after?: number
  readonly dryRun?: true
  readonly json?: true
}

type Write = (text: string) => void
type Result = ReplayPage['results'][number]

const number = wholeNumber(1, Number.MAX_SAFE_INTEGER)
const stoppedCodes: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 }
// results of numbers given one by one are told one by one, as long as a person would read them
const maxTold = 1_000

export function replayCommand (write: Write, hooks: ReplayHooks): Command {
  return addSettings(addKeyOptions(addFilterOptions(addAuditedOptions(new Command('replay')))), ['retentionMs'])
    .description('Send messages through decoding, checks and storing again, with the time of their first receipt.')
    .argument('[id...]', 'numbers from the list', (text, before: number[] = []) => [...before, number(text)])
    .option('--all', 'everything that was not replayed yet')
    .option('--after <id>', 'leave out numbers up to this one', number)
    .option('--dry-run', 'say what would happen; write nothing')
    .option('--json', 'print JSON lines: progress now and then, the result at the end')
    .addHelpText('after', `
Mend the cause first (pair the sensor, activate the device, install the version with the mended decoder). Replaying twice stores once.
Ctrl-C ends it after the page at hand; the same command again goes on.
Exit codes: 0 all is stored, 1 some stay in quarantine, 2 no selection, 130 or 143 ended by a signal.

Examples:
  pulsegate quarantine replay --where 'reason=not-paired since=24h' --dry-run
  pulsegate quarantine replay --where 'reason=not-paired since=24h'
  pulsegate quarantine replay 17 18`)
    .action(async (ids: number[] | undefined, options: Flags, command: Command) => {
      const selection = selectionOf(command, ids ?? [], options)
      const { retentionMs } = configOf(command, ['retentionMs'])
      const { decode } = hooks
      const replayOptions = { retentionMs, dryRun: options.dryRun ?? false, ...(decode && { decode }), ...(options.after !== undefined && { after: options.after }) }
      const tell = (more: NonNullable<AuditEvent['detail']>): AuditEvent => quarantineEvent(command, 'replayed', { ...selectionDetail(selection), dryRun: replayOptions.dryRun, ...more })
      process.exitCode = await withAudited(command, (database, audit) => withDataKeys(command, database, async (keys) => {
        await audit.recordNow(tell({ phase: 'begun' }))
        return run(database, selection, { ...replayOptions, keys }, { write, json: options.json ?? false, ended: (how, numbers) => recordEnd(audit, tell({ phase: how, ...numbers }), how) })
      }))
    })
}

function selectionOf (command: Command, ids: readonly number[], options: Flags): Selection {
  const filter = filterOf(command, options)
  const ways = [ids.length > 0, filter !== undefined, options.all === true].filter(Boolean).length
  if (ways === 0) command.error("error: which messages? Give numbers, --where 'reason=…' (or --reason, --publisher, --source, --kind, --since, --until), or --all", { exitCode: 2, code: 'pulsegate.selection' })
  if (ways > 1) command.error('error: give one of numbers, a filter, --all: together they contradict each other', { exitCode: 2, code: 'pulsegate.selection' })
  return ids.length > 0 ? { ids } : { filter: filter ?? {} }
}

interface Output {
  readonly write: Write
  readonly json: boolean
  /** Told before the summary is. */
  readonly ended: (how: Ending, numbers: Record<string, number | null>) => Promise<void>
}

/** What was done is done, and its beginning is in the trail: that its end cannot be recorded is said, and no reason to hide the summary. */
async function recordEnd (audit: AuditLog, event: AuditEvent, how: Ending): Promise<void> {
  await audit.recordNow(how === 'failed' ? { ...event, outcome: 'serious-failure', reason: 'failed' } : event)
    .catch((error: unknown) => { process.stderr.write(`pulsegate: ${describeError(error)}\n`) })
}

/** Replays to the end or to a signal, tells how it went, gives the exit code. */
async function run (database: Database, selection: Selection, options: ReplayOptions, { write, json, ended }: Output): Promise<number> {
  // what a signal did is told at the end, in words that fit
  const { log } = quietObservability()
  const lifecycle = new Lifecycle({ log })
  const forgetSignals = handleSignals({ lifecycle, log })
  let progress: Progress | null = null
  try {
    const onRetry = (fault: string): void => { progress?.note(`${fault}; trying again`) }
    const replay = await openReplay(database, selection, { ...options, hard: lifecycle.hard, onRetry })
    progress = new Progress(replay.total, progressOutput({ write, json }))
    const results: Result[] | null = 'ids' in selection && selection.ids.length <= maxTold ? [] : null
    const ending = await drive(replay, { progress, results, stopping: lifecycle.stopping }).catch((error: unknown) => error as Error)
    progress.end()
    const how: Ending = typeof ending === 'string' ? ending : 'failed'
    await ended(how, progress.numbers())
    write(summaryText({ ending: how, progress, results, dryRun: options.dryRun ?? false }, json))
    if (typeof ending !== 'string') throw ending
    if (ending === 'interrupted') return stoppedCodes[String(lifecycle.stopping.reason)] ?? 1
    return progress.tally.quarantined > 0 ? 1 : 0
  } finally {
    forgetSignals()
  }
}

interface Course { readonly progress: Progress, readonly results: Result[] | null, readonly stopping: AbortSignal }

/** Page after page; a stop takes effect between two. */
async function drive (replay: Replay, { progress, results, stopping }: Course): Promise<Ending> {
  while (!stopping.aborted) {
    const page = await replay.next()
    if (page === null) return 'done'
    progress.page(page)
    results?.push(...page.results)
  }
  return 'interrupted'
}

/** A program's lines belong to standard output; a person's progress does not mix with the result. */
function progressOutput ({ write, json }: Pick<Output, 'write' | 'json'>): ProgressOptions {
  if (json) return { mode: 'json', write }
  return { mode: process.stderr.isTTY ? 'terminal' : 'plain', write: (text) => { process.stderr.write(text) } }
}
