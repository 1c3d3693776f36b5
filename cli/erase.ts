// `pulsegate erase`: what a device or a subject left behind goes, for good (docs/erasure.md). Says first what it is about, tells how far it is,
// and looks afterwards for what remains. Exit codes: 0 done, 1 something remains or it failed, 2 usage or no --yes, 130 or 143 by a signal.
import { Command, InvalidArgumentError } from 'commander'
import { type Database } from '../ingest/database.ts'
import { beginErasure, type EraseRequest, partsOf } from '../ingest/erase-plan.ts'
import { type OpenPayload } from '../ingest/erase-quarantine.ts'
import { runErasure } from '../ingest/erase.ts'
import { openRow } from '../ingest/quarantine-open.ts'
import { clearExports } from '../ingest/erase-exports.ts'
import { searchRemains } from '../ingest/erase-report.ts'
import { type AuditEvent, type AuditLog } from '../runtime/audit.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { Lifecycle } from '../runtime/lifecycle.ts'
import { quietObservability } from '../runtime/observability.ts'
import { handleSignals } from '../runtime/signals.ts'
import { isDeviceId } from '../schemas/device.ts'
import { operatorAgent, purposeOf } from './actor.ts'
import { doneText, planText, progressLine } from './erase-text.ts'
import { addAuditedOptions, withAudited } from './open-audit.ts'
import { addKeyOptions, withDataKeys } from './open-keys.ts'
import { parseTime } from './text.ts'

interface Flags {
  readonly device?: string
  readonly subject?: string
  readonly from?: number
  readonly to?: number
  readonly dryRun?: true
  readonly yes?: true
  readonly json?: true
}
type Write = (text: string) => void

const stoppedCodes: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 }

export function eraseCommand (write: Write = (text) => { process.stdout.write(text) }): Command {
  return addKeyOptions(addAuditedOptions(new Command('erase')))
    .description('Erase what a device or a subject left behind: samples, waves, rollups, payloads in quarantine, keys of exports.')
    .option('--device <id>', 'of this device', parseDevice)
    .option('--subject <pseudonym>', 'of this subject, in the times it was assigned to a device')
    .option('--from <time>', 'what was measured from this time on: a time, or how long ago such as 24h', parseTime)
    .option('--to <time>', 'and before this time (default: now)', parseTime)
    .option('--dry-run', 'say what it would be about; change nothing')
    .option('--yes', 'really: it cannot be undone')
    .option('--json', 'print JSON lines: progress now and then, the result at the end')
    .addHelpText('after', `
Receipts and the audit trail stay: they hold no value. What is sent again is a duplicate; what comes late for the erased time is not stored.
Interrupted, by a signal or a crash, the same command again goes on where it was.
Exit codes: 0 done, 1 failed, 2 usage or no --yes, 130 or 143 ended by a signal.

Examples:
  pulsegate erase --subject P-4711 --dry-run
  pulsegate erase --subject P-4711 --yes --purpose 'request of 2026-03-02'
  pulsegate erase --device 6f2c… --from 2026-03-01T08:00:00Z --to 2026-03-01T12:00:00Z --yes`)
    .action(async (options: Flags, command: Command) => {
      const request = requestOf(command, options)
      process.exitCode = await withAudited(command, async (database, audit) => {
        const parts = await partsOf(database, request)
        if (options.json !== true) write(planText(request, parts))
        if (options.dryRun === true) {
          if (options.json === true) write(`${JSON.stringify({ event: 'plan', target: request.target, parts: parts.map(({ device, from, to }) => ({ device, from, to })) })}\n`)
          return 0
        }
        if (options.yes !== true) throw new PulsegateError('ERASURE_UNCONFIRMED', 'nothing was erased: --yes is missing')
        return withDataKeys(command, database, (keys) => run(database, audit, request, {
          write,
          json: options.json === true,
          open: (row) => openRow(keys, row),
          ...purposeOf(command)
        }))
      })
    })
}

interface Course { readonly write: Write, readonly json: boolean, readonly open: OpenPayload, readonly purpose?: string }

async function run (database: Database, audit: AuditLog, request: EraseRequest, { write, json, open, purpose }: Course): Promise<number> {
  const { log } = quietObservability()
  const lifecycle = new Lifecycle({ log })
  const forgetSignals = handleSignals({ lifecycle, log })
  const agent = operatorAgent()
  const event = (outcome: AuditEvent['outcome'], id: string, detail: Record<string, string | number>): AuditEvent => ({
    type: 'data', subtype: 'erased', action: 'D', outcome, agent, ...(purpose !== undefined && { purpose }), entity: { type: request.target.kind, id }, detail
  })
  // a subject that was erased is not to be found by its name in the trail either
  const nameOf = (tombstone: string | null): string => tombstone ?? request.target.id
  try {
    const erasure = await beginErasure(database, request, { agent: agent.id, ...(purpose !== undefined && { purpose }) }, async ({ id, tombstone, parts, resumed }) => {
      await audit.recordNow(event('success', nameOf(tombstone), { erasure: id, phase: resumed ? 'continued' : 'begun', parts: parts.length }))
    })
    const tell = teller(json, write)
    const clear = await clearExports(database, erasure)
    try {
      const { removed, unopened } = await runErasure(database, erasure, { signal: lifecycle.stopping, open, onProgress: tell })
      const remaining = await searchRemains(database, erasure)
      const faults = remaining.filter(({ why }) => why === null)
      const [outcome, phase] = [faults.length + unopened === 0 ? 'success' as const : 'serious-failure' as const, unopened === 0 ? 'finished' : 'unopened']
      await audit.recordNow(event(outcome, nameOf(erasure.tombstone), { erasure: erasure.id, phase, ...removed, ...(unopened > 0 && { unopened }) }))
      write(json
        ? `${JSON.stringify({ event: unopened === 0 ? 'done' : 'unopened', erasure: erasure.id, tombstone: erasure.tombstone, removed, unopened, remaining, clearExports: clear })}\n`
        : doneText(erasure, removed, remaining, clear))
      if (unopened > 0) throw new PulsegateError('ERASURE_UNOPENED', `${unopened} messages in quarantine may be of the erased time, and none of the master keys given opens them: the erasure is not done`)
      if (faults.length > 0) throw new PulsegateError('ERASURE_INCOMPLETE', `rows of the erased time are still in ${faults.map(({ table }) => table).join(', ')}`)
      return 0
    } catch (error) {
      if (!lifecycle.stopping.aborted) throw error
      write(json ? `${JSON.stringify({ event: 'interrupted', erasure: erasure.id })}\n` : 'interrupted: the same command again goes on from here\n')
      return stoppedCodes[String(lifecycle.stopping.reason)] ?? 1
    }
  } finally {
    forgetSignals()
  }
}

/** A line every two seconds: on standard error for a person, JSON on standard output for a program. */
function teller (json: boolean, write: Write): NonNullable<Parameters<typeof runErasure>[2]>['onProgress'] & {} {
  let toldMs = performance.now()
  return (progress) => {
    if (performance.now() - toldMs < 2_000) return
    toldMs = performance.now()
    if (json) write(`${JSON.stringify({ event: 'progress', ...progress })}\n`)
    else process.stderr.write(progressLine(progress))
  }
}

function requestOf (command: Command, { device, subject, from, to }: Flags): EraseRequest {
  const times = { ...(from !== undefined && { fromMs: from }), ...(to !== undefined && { toMs: to }) }
  if (device !== undefined && subject === undefined) return { target: { kind: 'device', id: device }, ...times }
  if (subject !== undefined && subject !== '' && device === undefined) return { target: { kind: 'subject', id: subject }, ...times }
  return command.error('error: whose? Give one of --device and --subject', { exitCode: 2, code: 'pulsegate.selection' })
}

function parseDevice (text: string): string {
  if (isDeviceId(text)) return text
  throw new InvalidArgumentError('A device id is a lower-case UUID.')
}
