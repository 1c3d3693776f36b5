// `pulsegate keys rotate`: wraps every data key by the current master key. Exit codes: 0 all are, 1 some could not be opened.
import { Command } from 'commander'
import { openRotation } from '../ingest/keys/rotate.ts'
import { operatorAgent } from './actor.ts'
import { CountProgress } from './count-progress.ts'
import { withAudited } from './open-audit.ts'
import { addDatabaseOptions } from './open-database.ts'
import { addKeyOptions, withDataKeys } from './open-keys.ts'
import { addSettings, configOf } from './options.ts'
import { counted } from './view/format.ts'

export function rotateCommand (write: (text: string) => void): Command {
  return addSettings(addKeyOptions(addDatabaseOptions(new Command('rotate'))), ['purpose'])
    .description('Wrap every data key by the current master key; what is sealed is not touched. May be stopped and run again.')
    .option('--json', 'print JSON lines: progress now and then, the result at the end')
    .addHelpText('after', `
Order: make the new key; restart the workers with --master-key <new> --old-master-keys <old>; rotate; take the old one away.

Example:
  pulsegate keys init --master-key /etc/pulsegate/master-2027.key
  pulsegate keys rotate --master-key /etc/pulsegate/master-2027.key --old-master-keys /etc/pulsegate/master.key`)
    .action(async (options: { readonly json?: true }, command: Command) => {
      const { purpose } = configOf(command, ['purpose'])
      await withAudited(command, (database, audit) => withDataKeys(command, database, async (_keys, master) => {
        const rotation = await openRotation(database, master)
        const event = { type: 'key', subtype: 'rotated', action: 'U', agent: operatorAgent(), entity: { type: 'master-key', id: rotation.to }, ...(purpose !== undefined && { purpose }) } as const
        await audit.recordNow({ ...event, outcome: 'success', detail: { keys: rotation.total, step: 'begun' } })
        const progress = new CountProgress({ done: 'wrapped anew', total: rotation.total, json: options.json ?? false, write })
        const left = new Map<string, number>()
        for (let page = await rotation.next(); page !== null; page = await rotation.next()) {
          progress.add(page.moved)
          for (const [id, keys] of page.left) left.set(id, (left.get(id) ?? 0) + keys)
        }
        progress.end()
        const missing = [...left.values()].reduce((sum, keys) => sum + keys, 0)
        await audit.recordNow({ ...event, outcome: missing === 0 ? 'success' : 'minor-failure', detail: { keys: progress.done, left: missing, step: 'done' } })
        const words = [...left].map(([id, keys]) => `${counted(keys, 'data key')} left under master key ${id}, which was not given: add it to --old-master-keys\n`).join('')
        write(options.json === true
          ? `${JSON.stringify({ event: 'done', master: rotation.to, moved: progress.done, left: Object.fromEntries(left) })}\n`
          : `${counted(progress.done, 'data key')} wrapped by master key ${rotation.to} now\n${words}`)
        if (missing > 0) process.exitCode = 1
      }))
    })
}
