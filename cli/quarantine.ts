// `pulsegate quarantine list | show | replay`: what could not be stored, why, and the way back.
import { Command, InvalidArgumentError } from 'commander'
import { listQuarantine, type QuarantineEntry, type QuarantineFilter, replayQuarantine, type ReplayResult, showQuarantine } from '../ingest/quarantine.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { quarantineReasons } from '../schemas/reasons.ts'
import { diagnostic, hexText } from './cbor-text.ts'
import { addDatabaseOptions, withDatabase } from './open-database.ts'
import { addSettings, configOf } from './options.ts'
import { parseTime, type Print, printer, table, timeText } from './text.ts'

interface FilterOptions {
  readonly reason?: string,
  readonly publisher?: string,
  readonly since?: number,
  readonly limit?: number,
  readonly replayed?: true
  readonly json?: true,
  readonly all?: true
}

/** `write` is where the output goes: standard output, unless a test listens. */
export function quarantineCommand (write: (text: string) => void = (text) => { process.stdout.write(text) }): Command {
  const print = printer(write)
  return new Command('quarantine').description('Messages that could not be stored: list, show, replay.')
    .addCommand(list(print)).addCommand(show(print)).addCommand(replay(print))
}

function list (print: Print): Command {
  return addFilters(subcommand('list', 'Newest first; nothing of a message\'s content is shown.'))
    .option('--limit <count>', 'at most so many (default 50)', parseCount)
    .option('--replayed', 'also those that were replayed')
    .action(async (options: FilterOptions, command: Command) => {
      const entries = await withDatabase(command, (database) => listQuarantine(database, filterOf(options)))
      const rows = entries.map((entry) => [String(entry.id), timeText(entry.receivedAt), String(entry.times), entry.publisher, entry.kind, entry.reason, entry.detail])
      print(options, entries, entries.length === 0 ? 'nothing in quarantine\n' : table(['id', 'received (UTC)', 'times', 'publisher', 'kind', 'reason', 'detail'], rows))
    })
}

function show (print: Print): Command {
  return subcommand('show', 'One message with its bytes. They may hold a patient\'s values.')
    .argument('<id>', 'number from the list', parseCount)
    .action(async (id: number, options: FilterOptions, command: Command) => {
      const entry = await withDatabase(command, (database) => showQuarantine(database, id))
      print(options, { ...entry, payload: entry.payload.toString('hex') }, showText(entry))
    })
}

function replay (print: Print): Command {
  return addSettings(addFilters(subcommand('replay', 'Send messages through decoding, checks and storing again, with the time of their first receipt.')), ['retentionMs'])
    .argument('[id...]', 'numbers from the list', (text, before: number[] = []) => [...before, parseCount(text)])
    .option('--all', 'everything that was not replayed yet')
    .addHelpText('after', '\nMend the cause first (pair the sensor, activate the device). Replaying twice stores once.')
    .action(async (ids: number[] | undefined, options: FilterOptions, command: Command) => {
      const filter = filterOf(options)
      const named = ids !== undefined && ids.length > 0
      const filtered = options.all === true || filter.reason !== undefined || filter.publisher !== undefined || filter.sinceMs !== undefined
      if (named === filtered) throw new PulsegateError('CONFIG_INVALID', 'which messages? Give either numbers, or --reason, --publisher, --since or --all')
      const results: ReplayResult[] = []
      await withDatabase(command, async (database) => {
        for await (const result of replayQuarantine(database, named ? { ids } : { filter }, configOf(command, ['retentionMs']))) results.push(result)
      })
      print(options, results, results.length === 0 ? 'nothing to replay\n' : table(['id', 'outcome'], results.map(({ id, outcome }) => [String(id), outcome])))
    })
}

function showText (entry: QuarantineEntry & { readonly payload: Buffer }): string {
  const facts: Array<[string, string]> = [
    ['id', String(entry.id)],
    ['received', `${timeText(entry.receivedAt)} UTC${entry.times > 1 ? `, ${entry.times} times, last ${timeText(entry.lastReceivedAt)}` : ''}`],
    ['publisher', entry.publisher],
    ['source', entry.source ?? '(not readable, or the publisher)'],
    ['message', entry.boot === null ? '(not readable)' : `boot ${entry.boot} seq ${entry.seq}`],
    ['kind', entry.kind],
    ['reason', `${entry.reason}: ${meaningOf(entry.reason)}`],
    ['detail', entry.detail],
    ['replayed', entry.replayOutcome === null ? 'no' : `${timeText(entry.replayedAt)} ${entry.replayOutcome}`.trim()],
    ['CBOR', diagnostic(entry.payload)]
  ]
  return `${facts.map(([name, value]) => `${name.padEnd(10)}${value}\n`).join('')}${entry.bytes} bytes\n${hexText(entry.payload)}`
}

function meaningOf (reason: string): string {
  return (quarantineReasons as Readonly<Record<string, string>>)[reason] ?? 'a reason of another version'
}

function subcommand (name: string, description: string): Command {
  return addDatabaseOptions(new Command(name).description(description)).option('--json', 'print one JSON document')
}

function addFilters (command: Command): Command {
  return command
    .option('--reason <reason>', 'only with this reason', parseReason)
    .option('--publisher <uuid>', 'only from this publisher')
    .option('--since <time>', 'only received since then: a time, or how long ago such as 24h', parseTime)
}

function filterOf ({ reason, publisher, since, limit, replayed }: FilterOptions): QuarantineFilter {
  return {
    ...(reason !== undefined && { reason }),
    ...(publisher !== undefined && { publisher }),
    ...(since !== undefined && { sinceMs: since }),
    ...(limit !== undefined && { limit }),
    ...(replayed !== undefined && { replayed })
  }
}

function parseReason (text: string): string {
  if (text in quarantineReasons) return text
  throw new InvalidArgumentError(`It is one of ${Object.keys(quarantineReasons).join(', ')}.`)
}

function parseCount (text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new InvalidArgumentError('It must be a whole number above 0.')
}
