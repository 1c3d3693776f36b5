// `pulsegate devices show`: all that is known of one device. It says which subjects a device was assigned to, so it is a read that the
// audit trail is told of before anything is shown.
import { join } from 'node:path'
import { Command } from 'commander'
import { authorityPaths } from '../certs/files.ts'
import { type CertificateRecord, readJournal } from '../certs/journal.ts'
import { type DeviceDetail, showDevice, type Span } from '../ingest/registry-show.ts'
import { operatorAgent, purposeOf } from './actor.ts'
import { recordsText } from './certs-text.ts'
import { oneDevice } from './devices-argument.ts'
import { addAuditedOptions, withAudited } from './open-audit.ts'
import { addSettings, configOf } from './options.ts'
import { printer, table, timeText } from './text.ts'

export function showCommand (write: (text: string) => void): Command {
  const print = printer(write)
  return addSettings(addAuditedOptions(new Command('show')), ['certs'])
    .description('One device: state with its history, pairings, assignments, boots, certificates.')
    .argument('<id>', 'device id', oneDevice)
    .option('--json', 'print one JSON document')
    .action(async (id: string, flags: { readonly json?: true }, command: Command) => {
      const device = await withAudited(command, async (database, audit) => {
        const found = await showDevice(database, id)
        await audit.recordNow({
          type: 'data', subtype: 'read', action: 'R', outcome: 'success', agent: operatorAgent(), ...purposeOf(command), entity: { type: 'device', id, ...(found.tenant !== null && { tenant: found.tenant }) }, detail: { what: 'registry entry' }
        })
        return found
      })
      const certificates = await certificatesOf(command, id)
      print(flags, { ...device, ...(certificates && { certificates }) }, showText(device, certificates))
    })
}

/** Of the authority whose folder is at hand; undefined where there is none. A folder that was named must be there. */
async function certificatesOf (command: Command, id: string): Promise<CertificateRecord[] | undefined> {
  const { certs, data } = configOf(command, ['certs', 'data'])
  try {
    const records = await readJournal(authorityPaths(certs ?? join(data, 'certs')).journal)
    return records.filter(({ role, names }) => role === 'device' && names.includes(id))
  } catch (error) {
    if (certs !== undefined) throw error
    return undefined
  }
}

function showText (device: DeviceDetail, certificates: readonly CertificateRecord[] | undefined): string {
  const facts = [
    ['id', device.id], ['state', device.state], ['kind', device.kind], ['model', device.model], ['serial', device.serial],
    ['firmware', device.firmware], ['tenant', device.tenant], ['first seen', timeText(device.firstSeen)], ['last seen', timeText(device.lastSeen)]
  ].map(([name, value]) => `${(name ?? '').padEnd(10)} ${value ?? ''}`.trimEnd() + '\n').join('')
  return facts +
    section('states', ['state', ...spanHead], device.states.map((span) => [span.state, ...spanCells(span)])) +
    section('speaks through', ['gateway', ...spanHead], device.gateways.map((span) => [span.device, ...spanCells(span)])) +
    section('speaks for', ['sensor', ...spanHead], device.sensors.map((span) => [span.device, ...spanCells(span)])) +
    section('assigned to', ['subject', ...spanHead], device.assignments.map((span) => [span.subject, ...spanCells(span)])) +
    section('boots', ['boot', 'began (UTC)', 'first seen (UTC)'], device.boots.map(({ boot, began, firstSeen }) => [boot, timeText(began), timeText(firstSeen)])) +
    (certificates === undefined || certificates.length === 0 ? '' : `\ncertificates\n${recordsText(certificates, Date.now())}`)
}

const spanHead = ['from (UTC)', 'until (UTC)']

function spanCells ({ from, until }: Span): string[] { return [timeText(from), timeText(until)] }

function section (title: string, head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  return rows.length === 0 ? '' : `\n${title}\n${table(head, rows)}`
}
