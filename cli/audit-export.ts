// `pulsegate audit export`: the trail as lines of JSON (ingest/audit/export.ts) for somebody who verifies it elsewhere.
import { once } from 'node:events'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { Command } from 'commander'
import { exportTrail } from '../ingest/audit/export.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { wholeNumber } from './arguments.ts'
import { auditEvent } from './audit-events.ts'
import { trailProgress } from './audit-progress.ts'
import { reasonOf } from './audited.ts'
import { addAuditedOptions, auditFolderOf, withAudited } from './open-audit.ts'

interface Flags { readonly out?: string, readonly from?: number, readonly to?: number }

const number = wholeNumber(1, Number.MAX_SAFE_INTEGER)

export function exportCommand (write: (text: string) => void): Command {
  return addAuditedOptions(new Command('export'))
    .description('All rows with their hashes, the signed heads and the public keys, as lines of JSON.')
    .option('--out <file>', 'write into this new file (readable by its owner only) instead of standard output')
    .option('--from <number>', 'only rows from this number on', number)
    .option('--to <number>', 'only rows up to this number', number)
    .addHelpText('after', `
Whoever gets it verifies it with \`pulsegate audit verify --file\`, or with openssl (docs/security/audit.md), and a public key from elsewhere.

Example:
  pulsegate audit export --out audit.ndjson --purpose "yearly review"`)
    .action(async ({ out, from, to }: Flags, command: Command) => {
      if (from !== undefined && to !== undefined && from > to) command.error('error: --from must not be above --to', { exitCode: 2, code: 'pulsegate.range' })
      const folder = auditFolderOf(command)
      const range = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
      const event = auditEvent(command, 'exported', { ...range, toFile: out !== undefined })
      await withAudited(command, async (database, audit) => {
        // before the first byte leaves
        await audit.recordNow(event)
        const progress = trailProgress('exporting')
        const pieces = exportTrail({ database, folder, ...range, onProgress: progress.show })
        try {
          await (out === undefined ? toOutput(pieces, write) : toFile(pieces, out))
        } catch (error) {
          audit.record({ ...event, outcome: 'minor-failure', reason: reasonOf(error) })
          throw error
        } finally {
          progress.end()
        }
      })
    })
}

async function toOutput (pieces: AsyncIterable<string>, write: (text: string) => void): Promise<void> {
  for await (const piece of pieces) {
    write(piece)
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
  }
}

async function toFile (pieces: AsyncIterable<string>, path: string): Promise<void> {
  const file: FileHandle = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST') throw new PulsegateError('EXPORT_EXISTS', `${path} is there already`, { cause })
    throw new PulsegateError('EXPORT_FAILED', `${path} cannot be written (${cause.code ?? 'unknown'})`, { cause })
  })
  try {
    for await (const piece of pieces) await file.appendFile(piece)
    await file.sync()
  } catch (error) {
    await unlink(path).catch(() => {})
    throw error
  } finally {
    await file.close()
  }
}
