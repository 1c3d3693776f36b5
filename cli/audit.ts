// `pulsegate audit list | verify | export | rotate-key`: who did what to what, and whether anybody has changed the record of it.
import { Command, Option } from 'commander'
import { type AuditRow, listTrail } from '../ingest/audit/list.ts'
import { readSigningKey, rotateKey } from '../ingest/audit/folder.ts'
import { keyIdOf } from '../ingest/audit/keys.ts'
import { type AuditEvent, auditTypes } from '../runtime/audit.ts'
import { createPublicKey } from 'node:crypto'
import { operatorAgent, purposeOf } from './actor.ts'
import { wholeNumber } from './arguments.ts'
import { exportCommand } from './audit-export.ts'
import { auditEvent } from './audit-events.ts'
import { verifyCommand } from './audit-verify.ts'
import { audited } from './audited.ts'
import { addAuditedOptions, auditFolderOf, withAudited } from './open-audit.ts'
import { parseTime, type Print, printer, table, timeText } from './text.ts'

interface ListFlags {
  readonly type?: string
  readonly agent?: string
  readonly entity?: string
  readonly about?: string
  readonly since?: number
  readonly until?: number
  readonly before?: number
  readonly limit: number
  readonly json?: true
}

const maxListed = 10_000

/** `write` is where the output goes: standard output, unless a test listens. */
export function auditCommand (write: (text: string) => void = (text) => { process.stdout.write(text) }): Command {
  const print = printer(write)
  return new Command('audit').description('The audit trail: list, verify, export, rotate its key (docs/security/audit.md).')
    .addCommand(list(print)).addCommand(verifyCommand(write)).addCommand(exportCommand(write)).addCommand(rotate(print))
}

function list (print: Print): Command {
  return addAuditedOptions(new Command('list'))
    .description('What was recorded, newest first. That it was looked at is recorded too.')
    .addOption(new Option('--type <type>', 'only of this type').choices(Object.keys(auditTypes)))
    .option('--agent <id>', 'only by this device, person or process')
    .option('--entity <id>', 'only to this device, message, certificate, …')
    .option('--about <id>', 'only what concerns this device, subject or person in any way: by it, to it, or named in the particulars')
    .option('--since <time>', 'only since then: a time, or how long ago such as 24h', parseTime)
    .option('--until <time>', 'only before then', parseTime)
    .option('--limit <count>', 'at most so many', wholeNumber(1, maxListed), 50)
    .option('--before <number>', 'go on below this number: the last of the page before', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--json', 'print one JSON document')
    .addHelpText('after', `
Examples:
  pulsegate audit list --type quarantine --since 7d
  pulsegate audit list --about 6f2c1c1e-8b1f-4b52-9d0a-3f1c5e7a9b10
  pulsegate audit list --agent anna@ward7 --json`)
    .action(async (options: ListFlags, command: Command) => {
      const { type, agent, entity, about, since, until, before, limit } = options
      const asked = { ...(type !== undefined && { type }), ...(agent !== undefined && { agent }), ...(entity !== undefined && { entity }), ...(about !== undefined && { about }), ...(since !== undefined && { sinceMs: since }), ...(until !== undefined && { untilMs: until }), ...(before !== undefined && { before }), limit }
      const rows = await withAudited(command, (database, audit) => audited(audit, auditEvent(command, 'listed', asked), () => listTrail(database, asked)))
      print(options, rows, rows.length === 0 ? 'nothing was recorded that fits\n' : listText(rows, rows.length === limit))
    })
}

function listText (rows: readonly AuditRow[], more: boolean): string {
  const text = table(['number', 'time (UTC)', 'what', 'outcome', 'by', 'to', 'why'], rows.map((row) => [
    String(row.number), timeText(row.recorded), `${row.type} ${row.subtype}${row.count > 1 ? ` ×${row.count}` : ''}`,
    row.outcome === 'success' ? 'success' : `${row.outcome}${row.reason === null ? '' : `: ${row.reason}`}`, row.agent,
    row.entity === null ? '' : `${row.entityType} ${row.entity}`, row.purpose ?? ''
  ]))
  return more ? `${text}there may be more: --before ${rows.at(-1)?.number}\n` : text
}

function rotate (print: Print): Command {
  return addAuditedOptions(new Command('rotate-key'))
    .description('Make a new key to sign heads with; the old one signs it, and what it has signed stays good.')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nRun it on the machine (and as the user) whose processes sign; they use the new key within a minute. Keep its public key elsewhere.\n\nExample:\n  pulsegate audit rotate-key --audit-dir /var/lib/pulsegate/audit --purpose "yearly rotation"')
    .action(async (options: { json?: true }, command: Command) => {
      const folder = auditFolderOf(command)
      const previous = keyIdOf(createPublicKey(await readSigningKey(folder)))
      const event = (phase: 'begun' | 'done', id: string): AuditEvent => ({ type: 'key', subtype: 'rotated', action: 'U', outcome: 'success', agent: operatorAgent(), ...purposeOf(command), entity: { type: 'audit-key', id }, detail: { phase, previous } })
      const { key } = await withAudited(command, async (_database, audit) => {
        await audit.recordNow(event('begun', previous))
        const record = await rotateKey(folder)
        audit.record(event('done', record.key))
        return record
      })
      print(options, { key, previous, publicKey: folder.publicKey }, `heads are signed by ${key} from now on, in succession of ${previous}\npublic key: ${folder.publicKey}\n`)
    })
}
