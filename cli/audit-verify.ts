// `pulsegate audit verify`: whether the trail in the database, or an export of it, is what was written. Exit codes: 0 whole, 1 something is
// wrong (the first bad number and what it is are told), 2 usage.
import { type KeyObject } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Command } from 'commander'
import { type VerifyReport } from '../ingest/audit/check.ts'
import { parsePublicKey } from '../ingest/audit/keys.ts'
import { verifyExport } from '../ingest/audit/verify-export.ts'
import { verifyTrail } from '../ingest/audit/verify.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { auditEvent } from './audit-events.ts'
import { trailProgress } from './audit-progress.ts'
import { addAuditedOptions, auditFolderOf, withAudited } from './open-audit.ts'
import { printer } from './text.ts'
import { count } from './view/format.ts'

interface Flags { readonly file?: string, readonly publicKey?: string[], readonly json?: true }

export function verifyCommand (write: (text: string) => void): Command {
  const print = printer(write)
  return addAuditedOptions(new Command('verify'))
    .description('Check that no row was altered, removed, moved or cut off: the hash chain, and the signed heads in table and file.')
    .option('--file <export>', 'check an export instead, without a database; needs --public-key')
    .option('--public-key <file>', 'trust this key (PEM) instead of the folder\'s own; may be given several times', (text: string, before: string[] = []) => [...before, text])
    .option('--json', 'print one JSON document')
    .addHelpText('after', `
Exit codes: 0 the trail is whole, 1 something is wrong, 2 usage.

Examples:
  pulsegate audit verify
  pulsegate audit verify --public-key /media/usb/signing.pub
  pulsegate audit verify --file audit.ndjson --public-key signing.pub`)
    .action(async (flags: Flags, command: Command) => {
      if (flags.file !== undefined && flags.publicKey === undefined) command.error('error: --file needs --public-key: an export that vouches for itself proves nothing', { exitCode: 2, code: 'pulsegate.publicKey' })
      const keys = await Promise.all((flags.publicKey ?? []).map(readPublicKey))
      const report = flags.file === undefined ? await verifyHere(command, keys) : await verifyFile(flags.file, keys)
      print(flags, report, reportText(report))
      process.exitCode = report.ok ? 0 : 1
    })
}

/** The database's; the result is told to the trail itself. */
function verifyHere (command: Command, publicKeys: readonly KeyObject[]): Promise<VerifyReport> {
  const folder = auditFolderOf(command)
  return withAudited(command, async (database, audit) => {
    const progress = trailProgress('verifying')
    const report = await verifyTrail({ database, folder, publicKeys, onProgress: progress.show })
    progress.end()
    const { ok, rows, lastNumber, signedTo, faultCount, firstBad, faults } = report
    const event = auditEvent(command, 'verified', { rows, lastNumber, signedTo, faults: faultCount, firstBad })
    // the result is for the person first: an attacker who also stops the trail from being written must not hide what was found
    await audit.recordNow(ok ? event : { ...event, outcome: 'serious-failure', reason: faults[0]?.kind ?? 'unknown' })
      .catch((error: unknown) => { process.stderr.write(`pulsegate: the result could not be recorded: ${(error as Error).message}\n`) })
    return report
  })
}

async function verifyFile (path: string, publicKeys: readonly KeyObject[]): Promise<VerifyReport> {
  const progress = trailProgress('verifying')
  const input = createReadStream(path)
  const opened = new Promise<void>((resolve, reject) => { input.once('open', () => { resolve() }).once('error', reject) })
  await opened.catch((cause: unknown) => { throw new PulsegateError('AUDIT_EXPORT_INVALID', `${path} cannot be read`, { cause }) })
  try {
    return await verifyExport({ lines: createInterface({ input, crlfDelay: Infinity }), publicKeys, onProgress: progress.show })
  } finally {
    progress.end()
    input.destroy()
  }
}

async function readPublicKey (path: string): Promise<KeyObject> {
  const pem = await readFile(path, 'utf8').catch((cause: unknown) => { throw new PulsegateError('AUDIT_KEY_INVALID', `${path} cannot be read`, { cause }) })
  return parsePublicKey(pem, path)
}

function reportText ({ ok, rows, lastNumber, hash, heads, signedTo, firstBad, faultCount, faults, notices }: VerifyReport): string {
  const head = `${ok ? 'whole' : 'NOT whole'}: ${count(rows)} rows, the last one is ${lastNumber ?? 0}, hash ${hash}\nsigned up to row ${signedTo} (${count(heads)} heads)\n${notices.map((notice) => `note: ${notice}\n`).join('')}`
  if (ok) return head
  const more = faultCount > faults.length ? `… and ${count(faultCount - faults.length)} more\n` : ''
  return `${head}${count(faultCount)} ${faultCount === 1 ? 'fault' : 'faults'}${firstBad === null ? '' : `, the first at row ${firstBad}`}:\n${faults.map(({ kind, what }) => `  ${kind.padEnd(13)}  ${what}\n`).join('')}${more}`
}
