// `pulsegate keys init | list | rotate | destroy | seal`: the keys that protect quarantine and exports (docs/security/encryption.md).
import { Command } from 'commander'
import { countPlain, listKeys } from '../ingest/keys/list.ts'
import { makeMasterKey } from '../ingest/keys/master-key-file.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { wholeNumber } from './arguments.ts'
import { destroyCommand } from './keys-destroy.ts'
import { rotateCommand } from './keys-rotate.ts'
import { sealCommand } from './keys-seal.ts'
import { isFile, keySettingNames, masterKeyPlace, openKeys } from './master-key.ts'
import { addDatabaseOptions, withDatabase } from './open-database.ts'
import { addSettings, configOf } from './options.ts'
import { type Print, printer, table, timeText } from './text.ts'
import { counted } from './view/format.ts'

interface Json { readonly json?: true }

/** `write` is where the output goes: standard output, unless a test listens. */
export function keysCommand (write: (text: string) => void = (text) => { process.stdout.write(text) }): Command {
  const print = printer(write)
  return new Command('keys').description('The keys that protect quarantine and exports: make, list, rotate, destroy, seal (docs/security/encryption.md).')
    .addCommand(init(print)).addCommand(list(print)).addCommand(rotateCommand(write)).addCommand(destroyCommand(write)).addCommand(sealCommand(write))
}

function init (print: Print): Command {
  return addSettings(new Command('init'), ['data', 'masterKey'])
    .description('Make a master key: 32 random bytes in a file of this user alone. One that is there is never replaced.')
    .option('--json', 'print one JSON document')
    .addHelpText('after', `
Every worker needs the same one. Back it up, apart from the database: without it quarantine and exports are unreadable for good.

Example:
  pulsegate keys init --master-key /etc/pulsegate/master.key`)
    .action(async (options: Json, command: Command) => {
      const path = masterKeyPlace(configOf(command, ['data', 'masterKey']))
      if (!isFile(path)) throw new PulsegateError('CONFIG_INVALID', `${path} is a key service: its key is made there; name a file`)
      const master = await makeMasterKey(path).id()
      print(options, { file: path, master }, `made ${path} (master key ${master})\nBack it up now, apart from the database: without it quarantine and exports are unreadable for good.\n`)
    })
}

interface ListFlags extends Json { readonly limit: number, readonly before?: number }

function list (print: Print): Command {
  return addSettings(addDatabaseOptions(new Command('list')), keySettingNames)
    .description('Data keys, newest first: what for, wrapped by which master key, destroyed or not. Never a key.')
    .option('--limit <count>', 'at most so many', wholeNumber(1, 10_000), 50)
    .option('--before <id>', 'go on below this number', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--json', 'print one JSON document')
    .action(async (options: ListFlags, command: Command) => {
      const { limit, before } = options
      const current = await currentMaster(command)
      const { keys, plain } = await withDatabase(command, async (database) =>
        ({ keys: await listKeys(database, { limit, ...(before !== undefined && { before }) }), plain: await countPlain(database) }))
      const rows = keys.map((key) => [String(key.id), key.purpose, key.tenant, key.day ?? key.exportId ?? '', `${key.master}${key.master === current ? '' : ' (another)'}`, String(key.messages),
        timeText(key.createdAt), timeText(key.rotatedAt), timeText(key.destroyedAt)])
      const text = keys.length === 0 ? 'no data key was made yet\n' : table(['id', 'purpose', 'tenant', 'day or export', 'master key', 'messages ≤', 'made (UTC)', 'wrapped anew', 'destroyed'], rows)
      const notes = plain === 0 ? '' : `${counted(plain, 'message')} in quarantine ${plain === 1 ? 'is' : 'are'} in the clear, from before sealing: pulsegate keys seal\n`
      print(options, { master: current, keys, plain }, `${text}master key here: ${current ?? 'none that can be read'}\n${notes}`)
    })
}

/** Null: there is none here, or it cannot be asked; listing works all the same. */
async function currentMaster (command: Command): Promise<string | null> {
  try {
    const keys = openKeys(configOf(command, keySettingNames))
    return await keys.id().finally(() => { keys.close() })
  } catch (error) {
    if (error instanceof PulsegateError && error.code !== 'CONFIG_INVALID') return null
    throw error
  }
}
