// `pulsegate keys destroy`: makes what was sealed unreadable for good. Says what it would do; does it with --yes.
import { Command, InvalidArgumentError } from 'commander'
import { countKeys, destroyKeys, emptyPayloads, emptyPlain, type KeyCount, type KeySelection } from '../ingest/keys/destroy.ts'
import { placeOfMaster } from '../ingest/keys/at-hand.ts'
import { type Database } from '../ingest/database.ts'
import { errorCodeOf } from '../runtime/error-code.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { isDeviceId } from '../schemas/device.ts'
import { operatorAgent } from './actor.ts'
import { CountProgress } from './count-progress.ts'
import { keySettingNames, keySettingsOf } from './master-key.ts'
import { withAudited } from './open-audit.ts'
import { addDatabaseOptions } from './open-database.ts'
import { addKeyOptions } from './open-keys.ts'
import { addSettings, configOf } from './options.ts'
import { counted } from './view/format.ts'

interface Flags {
  readonly tenant?: string
  readonly allTenants?: true
  readonly from?: string
  readonly to?: string
  readonly export?: string
  readonly lostMaster?: string
  readonly yes?: true
  readonly json?: true
}

export function destroyCommand (write: (text: string) => void): Command {
  return addSettings(addKeyOptions(addDatabaseOptions(new Command('destroy'))), ['purpose'])
    .description('Destroy data keys: what they have sealed is unreadable for good, in every copy and backup.')
    .option('--tenant <name>', "quarantine of this tenant; '' for devices without one")
    .option('--all-tenants', 'quarantine of all tenants')
    .option('--from <day>', 'only days from this one on, UTC', day)
    .option('--to <day>', 'only days up to this one', day)
    .option('--export <id>', 'this export', uuid)
    .option('--lost-master <id>', 'everything under a master key that is lost, so that the workers can go on; refused while it is at hand', masterId)
    .option('--yes', 'do it; without this it only says what would be destroyed')
    .option('--json', 'print JSON lines: progress now and then, the result at the end')
    .addHelpText('after', `
A backup of the table data_key from before, together with the master key, still opens: rotate the master key and destroy the old one as well.

Examples:
  pulsegate keys destroy --tenant clinic-7 --to 2026-12-31
  pulsegate keys destroy --export 5f0c3f0e-3f39-4c6c-9c5e-8a3c0a6f6d10 --yes --purpose "request 4711"`)
    .action(async (flags: Flags, command: Command) => {
      const selection = selectionOf(flags, command)
      const { purpose } = configOf(command, ['purpose'])
      await withAudited(command, async (database, audit) => {
        const { kind, ...what } = selection
        const event = { type: 'key', subtype: 'destroyed', action: 'D', agent: operatorAgent(), entity: { type: `${kind}-keys`, id: entityOf(selection) }, ...(purpose !== undefined && { purpose }) } as const
        const found = await findKeys(database, selection, command).catch((error: unknown) => {
          if (flags.yes === true) audit.record({ ...event, outcome: 'minor-failure', reason: errorCodeOf(error), detail: what })
          throw error
        })
        if (flags.yes !== true) {
          write(flags.json === true ? `${JSON.stringify({ event: 'would-destroy', ...found })}\n` : `would destroy ${counted(found.keys, 'data key')}; ${counted(found.messages, 'message')} in quarantine would be unreadable for good\n`)
          command.error('error: nothing was destroyed: add --yes to do it', { exitCode: 2, code: 'pulsegate.yes' })
        }
        await audit.recordNow({ ...event, outcome: 'success', detail: { ...what, ...found } })
        const keys = await destroyKeys(database, selection)
        const progress = new CountProgress({ done: 'emptied', total: found.messages, json: flags.json ?? false, write })
        for (const empty of [emptyPayloads, emptyPlain]) {
          for (let emptied = await empty(database, selection); emptied > 0; emptied = await empty(database, selection)) progress.add(emptied)
        }
        progress.end()
        write(flags.json === true ? `${JSON.stringify({ event: 'done', keys, messages: progress.done })}\n` : `${counted(keys, 'data key')} destroyed; ${counted(progress.done, 'message')} in quarantine ${progress.done === 1 ? 'is' : 'are'} unreadable for good\n`)
      })
    })
}

/** What is to be destroyed, when it is there and may be. Errors: KEY_SELECTION_EMPTY, KEY_MASTER_AT_HAND, and of placeOfMaster. */
async function findKeys (database: Database, selection: KeySelection, command: Command): Promise<KeyCount> {
  const found = await countKeys(database, selection)
  if (found.keys === 0 && found.messages === 0) throw new PulsegateError('KEY_SELECTION_EMPTY', 'nothing was destroyed: no data key fits that is not destroyed already')
  if (selection.kind !== 'master') return found
  const place = await placeOfMaster(database, keySettingsOf(configOf(command, keySettingNames)), selection.id)
  if (place !== null) throw new PulsegateError('KEY_MASTER_AT_HAND', `nothing was destroyed: master key ${selection.id} is not lost, it is in ${place}`)
  return found
}

function selectionOf (flags: Flags, command: Command): KeySelection {
  const { tenant, allTenants, from, to, export: exportId, lostMaster } = flags
  const ways = [tenant !== undefined, allTenants === true, exportId !== undefined, lostMaster !== undefined].filter(Boolean).length
  const fault = (text: string): never => command.error(`error: ${text}`, { exitCode: 2, code: 'pulsegate.selection' })
  if (ways !== 1) return fault('which keys? Give one of --tenant, --all-tenants, --export, --lost-master')
  if ((exportId ?? lostMaster) !== undefined && (from ?? to) !== undefined) return fault('--from and --to go with --tenant or --all-tenants')
  if (from !== undefined && to !== undefined && from > to) return fault('nothing is at once --from and --to: --from must be the earlier day')
  if (exportId !== undefined) return { kind: 'export', id: exportId }
  if (lostMaster !== undefined) return { kind: 'master', id: lostMaster }
  return { kind: 'quarantine', ...(tenant !== undefined && { tenant }), ...(from !== undefined && { fromDay: from }), ...(to !== undefined && { toDay: to }) }
}

function entityOf (selection: KeySelection): string {
  return selection.kind === 'quarantine' ? selection.tenant ?? 'all tenants' : selection.id
}

function day (text: string): string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text)) return text
  throw new InvalidArgumentError('A day is written 2026-12-31.')
}

function uuid (text: string): string {
  if (isDeviceId(text)) return text
  throw new InvalidArgumentError('An export id is a lower-case UUID.')
}

function masterId (text: string): string {
  if (text.length <= 200 && text !== '') return text
  throw new InvalidArgumentError('`pulsegate keys list` shows the ids of master keys.')
}
