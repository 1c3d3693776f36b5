// `pulsegate export device | subject | open`: readings into a sealed file, and out of it. A signal ends it and leaves no half file.
import { once } from 'node:events'
import { Command, InvalidArgumentError } from 'commander'
import { exportReadings, type ExportOptions, type ExportResult } from '../ingest/export/export.ts'
import { type ExportFormat, exportFormats } from '../ingest/export/formats.ts'
import { openExport } from '../ingest/export/open-export.ts'
import { type Whom } from '../ingest/export/readings.ts'
import { Lifecycle } from '../runtime/lifecycle.ts'
import { quietObservability } from '../runtime/observability.ts'
import { handleSignals } from '../runtime/signals.ts'
import { isDeviceId } from '../schemas/device.ts'
import { operatorAgent } from './actor.ts'
import { CountProgress } from './count-progress.ts'
import { withAudited } from './open-audit.ts'
import { addDatabaseOptions } from './open-database.ts'
import { addKeyOptions, withDataKeys } from './open-keys.ts'
import { addSettings, configOf } from './options.ts'
import { parseTime } from './text.ts'
import { counted } from './view/format.ts'

interface Flags { readonly from: number, readonly to?: number, readonly output: string, readonly format: ExportFormat, readonly plain?: true, readonly json?: true }

type Write = (text: string) => void

/** `write` is where the output goes: standard output, unless a test listens. */
export function exportCommand (write: Write = (text) => { process.stdout.write(text) }): Command {
  return new Command('export').description('Readings of a device or a subject into a sealed file, and out of it again (docs/security/encryption.md).')
    .addCommand(exporting('device', '<id>', 'Readings of a device.', (text) => ({ device: deviceId(text) }), write))
    .addCommand(exporting('subject', '<pseudonym>', 'Readings of a subject: of the devices assigned to it, while they were.', (text) => ({ subject: text }), write))
    .addCommand(opening())
}

function exporting (name: string, argument: string, description: string, whomOf: (text: string) => Whom, write: Write): Command {
  return addSettings(addKeyOptions(addDatabaseOptions(new Command(name))), ['purpose'])
    .description(description)
    .argument(argument, 'whose', whomOf)
    .usage(`${argument} --from <time> --output <file> [options]`)
    .requiredOption('--from <time>', 'required; readings from this time on: a time, or how long ago such as 24h', parseTime)
    .option('--to <time>', 'readings before this time (default: now)', parseTime)
    .requiredOption('--output <file>', 'required; where to; one that is there is never replaced')
    .option('--format <format>', `one of ${exportFormats.join(', ')}`, parseFormat, 'ndjson')
    .option('--plain', 'write it in the clear: anybody who gets the file can read it')
    .option('--json', 'print JSON lines: progress now and then, the result at the end')
    .addHelpText('after', `
The audit trail has the event before anything is read. The file is sealed with a key of its own: \`pulsegate export open\` reads it,
\`pulsegate keys destroy --export <id>\` makes it unreadable wherever it has gone.

Example:
  pulsegate export ${name} ${name === 'device' ? '42f8788a-aff1-48dc-8503-92693229f390' : 'S-0042'} --from 2026-11-01 --to 2026-12-01 --output november.pgx --purpose "study 12"`)
    .action(async (whom: Whom, flags: Flags, command: Command) => {
      const { from: fromMs, to: toMs = Date.now(), format, output: path, plain = false, json = false } = flags
      if (fromMs >= toMs) command.error('error: nothing is at once --from and --to: --from must be the earlier time', { exitCode: 2, code: 'pulsegate.interval' })
      const { purpose } = configOf(command, ['purpose'])
      const base = { whom, interval: { fromMs, toMs }, format, path, agent: operatorAgent(), ...(purpose !== undefined && { purpose }) }
      if (plain) process.stderr.write(`pulsegate: warning: ${path} is written in the clear, as --plain demands: it holds a patient's values\n`)
      const progress = new CountProgress({ done: 'readings', total: null, json, write })
      const result = await stoppable(() => { progress.end() }, (signal) => withAudited(command, (database, audit) => {
        const run = (keys: ExportOptions['keys']): Promise<ExportResult> => exportReadings(database, audit, { ...base, keys, signal, onPage: (readings) => { progress.add(readings) } })
        return plain ? run(null) : withDataKeys(command, database, run, audit)
      }))
      if (result === null) return
      write(json ? `${JSON.stringify({ event: 'done', file: path, ...result })}\n` : `${counted(result.readings, 'reading')}, ${counted(result.bytes, 'byte')}, ${result.sealed ? `sealed: export ${result.id}` : 'in the clear'}\n`)
    })
}

function opening (): Command {
  return addSettings(addKeyOptions(addDatabaseOptions(new Command('open'))), ['purpose'])
    .description('Write what is in a sealed export to standard output. It holds a patient\'s values; the audit trail has the event first.')
    .argument('<file>', 'a sealed export')
    .addHelpText('after', '\nExample:\n  pulsegate export open november.pgx --purpose "study 12" | head')
    .action(async (path: string, _flags: object, command: Command) => {
      const { purpose } = configOf(command, ['purpose'])
      await stoppable(() => {}, (signal) => withAudited(command, (database, audit) => withDataKeys(command, database, async (keys) => {
        const output = process.stdout
        let gone = false // `| head` has read enough
        output.on('error', () => { gone = true })
        for await (const piece of openExport(audit, { path, keys, agent: operatorAgent(), signal, ...(purpose !== undefined && { purpose }) })) {
          if (gone) break
          if (!output.write(piece)) await once(output, 'drain', { signal }).catch((error: unknown) => { if (!gone) throw error })
        }
      })))
    })
}

const stoppedCodes: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 }

/** Runs until done or until a signal has stopped it: then null, with the exit code set. */
async function stoppable<T> (always: () => void, work: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  const { log } = quietObservability()
  const lifecycle = new Lifecycle({ log })
  const forgetSignals = handleSignals({ lifecycle, log })
  try {
    return await work(lifecycle.stopping)
  } catch (error) {
    if (!lifecycle.stopping.aborted) throw error
    process.exitCode = stoppedCodes[String(lifecycle.stopping.reason)] ?? 1
    process.stderr.write('pulsegate: stopped; nothing is left of the export\n')
    return null
  } finally {
    always()
    forgetSignals()
    await lifecycle.close()
  }
}

function deviceId (text: string): string {
  if (isDeviceId(text)) return text
  throw new InvalidArgumentError('A device id is a lower-case UUID.')
}

function parseFormat (text: string): ExportFormat {
  const format = exportFormats.find((known) => known === text)
  if (format === undefined) throw new InvalidArgumentError(`One of ${exportFormats.join(', ')}.`)
  return format
}
