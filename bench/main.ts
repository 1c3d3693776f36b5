// `npm run bench -- <command>`: measures Pulsegate beside what else one could use, on this machine. Tables and progress go to
// people (stderr for progress), `--json` is for programs. Exit code 0: measured and every promise met; 1: one missed, or
// nothing measured; 2: usage.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { benchAccept } from './accept.ts'
import { parseArguments, usage, UsageError, type BenchOptions, type Command } from './arguments.ts'
import { benchAudit } from './audit.ts'
import { benchConnections } from './connections.ts'
import { benchEndToEnd } from './end-to-end.ts'
import { benchIngest } from './ingest.ts'
import { outcome, tableText, targetText, type Measurement } from './outcome.ts'
import { resultsDirectory } from './places.ts'
import { writeReport } from './report.ts'
import { benchRevocation } from './revocation.ts'
import { benchStreams } from './streams.ts'

type Bench = (options: BenchOptions, onRun: (text: string) => void) => Promise<Measurement>

const benches: Readonly<Record<Exclude<Command, 'report'>, Bench>> = {
  ingest: benchIngest,
  accept: benchAccept,
  connections: benchConnections,
  'end-to-end': benchEndToEnd,
  streams: benchStreams,
  revocation: benchRevocation,
  audit: benchAudit
}

const print = (text: string): boolean => process.stdout.write(`${text}\n`)
const progress = (text: string): boolean => process.stderr.write(`bench: ${text}\n`)

async function measure (command: Exclude<Command, 'report'>, options: BenchOptions): Promise<boolean> {
  const { rounds, seconds } = options
  if (process.platform !== 'linux' || cpus().length < 2) throw new Error('the benchmarks need Linux and two cores: they pin processes and read /proc')
  const result = outcome(command, rounds, seconds, await benches[command](options, progress))
  if (options.save) {
    mkdirSync(resultsDirectory, { recursive: true })
    writeFileSync(join(resultsDirectory, `${command}.json`), `${JSON.stringify(result, null, 1)}\n`)
  }
  if (options.json) print(JSON.stringify(result))
  else print([...result.tables.map((table) => `${tableText(table)}\n`), ...result.targets.map(targetText)].join('\n'))
  return result.runs.length > 0 && result.targets.every(({ got, wanted }) => got >= wanted)
}

async function main (): Promise<number> {
  const options = parseArguments(process.argv.slice(2))
  if (options === null) {
    print(usage)
    return 0
  }
  if (options.command === 'report') {
    print(`wrote ${writeReport()}`)
    return 0
  }
  return await measure(options.command, options) ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  const isUsage = error instanceof UsageError
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n${isUsage ? `\n${usage}\n` : ''}`)
  process.exitCode = isUsage ? 2 : 1
}
