// `pulsegate completeness <device>`: what was received of a device and what is missing, boot by boot.
import { Command, InvalidArgumentError } from 'commander'
import { type BootCompleteness, completeness } from '../ingest/completeness.ts'
import { type AuditEvent } from '../runtime/audit.ts'
import { isDeviceId } from '../schemas/device.ts'
import { operatorAgent, purposeOf } from './actor.ts'
import { audited } from './audited.ts'
import { addAuditedOptions, withAudited } from './open-audit.ts'
import { parseTime, printer, table } from './text.ts'

// enough to see where the gaps are; --json has all of them
const shownRanges = 5

/** `write` is where the output goes: standard output, unless a test listens. */
export function completenessCommand (write: (text: string) => void = (text) => { process.stdout.write(text) }): Command {
  const print = printer(write)
  return addAuditedOptions(new Command('completeness'))
    .description('What was received of a device, what is missing and what is in quarantine, by boot.')
    .argument('<device>', 'device id', parseDevice)
    .option('--from <time>', 'messages from this time on: a time, or how long ago such as 24h', parseTime)
    .option('--to <time>', 'messages before this time', parseTime)
    .option('--json', 'print one JSON document')
    .action(async (device: string, options: { from?: number, to?: number, json?: true }, command: Command) => {
      const { from, to } = options
      const event: AuditEvent = { type: 'data', subtype: 'read', action: 'R', outcome: 'success', agent: operatorAgent(), ...purposeOf(command), entity: { type: 'device', id: device }, detail: { what: 'completeness' } }
      const boots = await withAudited(command, (database, audit) => audited(audit, event, () =>
        completeness(database, device, { ...(from !== undefined && { fromMs: from }), ...(to !== undefined && { toMs: to }) })))
      print(options, { device, boots }, boots.length === 0 ? `nothing is known of device ${device} in that time\n` : bootsText(boots))
    })
}

function bootsText (boots: readonly BootCompleteness[]): string {
  return table(['boot', 'seq', 'received', 'missing', 'quarantined', 'missing seqs'], boots.map((boot) => [
    boot.boot?.toString() ?? '(unreadable)',
    boot.firstSeq === null ? '' : `${boot.firstSeq}..${boot.lastSeq}`,
    String(boot.received),
    String(boot.missingCount),
    String(boot.quarantined),
    rangesText(boot.missing)
  ]))
}

function rangesText (ranges: BootCompleteness['missing']): string {
  const shown = ranges.slice(0, shownRanges).map(({ first, last }) => first === last ? String(first) : `${first}..${last}`)
  return [...shown, ...(ranges.length > shownRanges ? [`and ${ranges.length - shownRanges} more ranges`] : [])].join(' ')
}

function parseDevice (text: string): string {
  if (isDeviceId(text)) return text
  throw new InvalidArgumentError('A device id is a lower-case UUID.')
}
