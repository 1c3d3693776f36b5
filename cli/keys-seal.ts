// `pulsegate keys seal`: seals what lies in quarantine in the clear, from before sealing. May be stopped and run again, beside the workers.
import { Command } from 'commander'
import { countPlain } from '../ingest/keys/list.ts'
import { sealPlainPage } from '../ingest/quarantine-seal-plain.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { retry } from '../runtime/retry.ts'
import { operatorAgent } from './actor.ts'
import { CountProgress } from './count-progress.ts'
import { withAudited } from './open-audit.ts'
import { addDatabaseOptions } from './open-database.ts'
import { addKeyOptions, withDataKeys } from './open-keys.ts'
import { addSettings, configOf } from './options.ts'
import { counted } from './view/format.ts'

const pageRows = 500

export function sealCommand (write: (text: string) => void): Command {
  return addSettings(addKeyOptions(addDatabaseOptions(new Command('seal'))), ['purpose'])
    .description('Seal messages in quarantine that are in the clear, from before sealing.')
    .option('--json', 'print JSON lines: progress now and then, the result at the end')
    .addHelpText('after', '\nBackups made before still hold them in the clear.\n\nExample:\n  pulsegate keys seal --purpose "upgrade to sealed quarantine"')
    .action(async (options: { readonly json?: true }, command: Command) => {
      const { purpose } = configOf(command, ['purpose'])
      await withAudited(command, (database, audit) => withDataKeys(command, database, async (keys) => {
        const total = await countPlain(database)
        await audit.recordNow({
          type: 'key',
          subtype: 'rotated',
          action: 'U',
          outcome: 'success',
          agent: operatorAgent(),
          entity: { type: 'quarantine', id: 'in the clear' },
          detail: { messages: total, step: 'sealing' },
          ...(purpose !== undefined && { purpose })
        })
        const progress = new CountProgress({ done: 'sealed', total, json: options.json ?? false, write })
        for (let after = 0; ;) {
          const page = await retry(() => sealPlainPage(database, keys, { after, rows: pageRows }), {
            baseMs: 100, capMs: 1_000, signal: AbortSignal.timeout(30_000), retryable: (error) => error instanceof PulsegateError && error.code === 'KEY_DESTROYED'
          })
          if (page === null) break
          progress.add(page.sealed)
          after = page.lastId
        }
        progress.end()
        write(options.json === true ? `${JSON.stringify({ event: 'done', sealed: progress.done })}\n` : `${counted(progress.done, 'message')} sealed\n`)
      }, audit))
    })
}
