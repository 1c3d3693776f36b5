// `pulsegate quarantine list | reasons | show | replay`: what could not be stored, why, and the way back.
import { Command } from 'commander'
import { countQuarantine, listQuarantine, showQuarantine } from '../ingest/quarantine.ts'
import { wholeNumber } from './arguments.ts'
import { audited } from './audited.ts'
import { diagnostic } from './cbor-text.ts'
import { addAuditedOptions, withAudited } from './open-audit.ts'
import { filterDetail, quarantineEvent } from './quarantine-audit.ts'
import { addKeyOptions, withDataKeys } from './open-keys.ts'
import { addFilterOptions, filterOf, type FilterOptions } from './quarantine-filter.ts'
import { type ReplayHooks, replayCommand } from './quarantine-replay.ts'
import { listText, meaningOf, reasonsText, showText } from './quarantine-text.ts'
import { type Print, printer } from './text.ts'

interface ListFlags extends FilterOptions {
  readonly limit: number
  readonly before?: number
  readonly replayed?: true
  readonly json?: true
}

// a program that wants more asks page by page: --before
const maxListed = 10_000

/** `write` is where the output goes: standard output, unless a test listens. */
export function quarantineCommand (write: (text: string) => void = (text) => { process.stdout.write(text) }, hooks: ReplayHooks = {}): Command {
  const print = printer(write)
  return new Command('quarantine').description('Messages that could not be stored: list, count, show, replay (docs/quarantine.md).')
    .addCommand(list(print)).addCommand(reasons(print)).addCommand(show(print)).addCommand(replayCommand(write, hooks))
}

function list (print: Print): Command {
  return addFilterOptions(subcommand('list', 'Newest first; nothing of a message\'s content is shown.'))
    .option('--limit <count>', 'at most so many', wholeNumber(1, maxListed), 50)
    .option('--before <id>', 'go on below this number: the last of the page before', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--replayed', 'also those that were replayed')
    .action(async (options: ListFlags, command: Command) => {
      const { limit, before, replayed = false } = options
      const filter = filterOf(command, options) ?? {}
      const entries = await withAudited(command, (database, audit) => audited(audit, quarantineEvent(command, 'listed', filterDetail(filter)),
        () => listQuarantine(database, { ...filter, limit, replayed, ...(before !== undefined && { before }) }), ({ length }) => ({ listed: length })))
      print(options, entries, listText(entries, entries.length === limit))
    })
}

function reasons (print: Print): Command {
  return addFilterOptions(subcommand('reasons', 'How many messages are in quarantine, by reason.'))
    .action(async (options: ListFlags, command: Command) => {
      const filter = filterOf(command, options)
      const counts = await withAudited(command, (database, audit) => audited(audit, quarantineEvent(command, 'listed', filterDetail({ counts: true, ...filter })), () => countQuarantine(database, filter)))
      print(options, counts.map((entry) => ({ ...entry, meaning: meaningOf(entry.reason) })), reasonsText(counts))
    })
}

function show (print: Print): Command {
  return addKeyOptions(subcommand('show', 'One message with its bytes. They may hold a patient\'s values.'))
    .argument('<id>', 'number from the list', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .action(async (id: number, options: { readonly json?: true }, command: Command) => {
      // nothing is shown unless the trail has taken that it is
      const entry = await withAudited(command, (database, audit) => withDataKeys(command, database, (keys) =>
        audited(audit, quarantineEvent(command, 'viewed', {}, id), () => showQuarantine(database, keys, id), ({ publisher, reason }) => ({ publisher, reason }))))
      const { payload, reason } = entry
      print(options, { ...entry, meaning: meaningOf(reason), payload: payload.toString('hex'), diagnostic: diagnostic(payload) }, showText(entry))
    })
}

function subcommand (name: string, description: string): Command {
  return addAuditedOptions(new Command(name).description(description)).option('--json', 'print one JSON document')
}
