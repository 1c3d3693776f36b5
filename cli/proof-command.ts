// `pulsegate proof`: starts real set-ups, hurts them, and compares what devices hold as acknowledged with what is in the database.
// Exit 0 only when every scenario came out as it must, the negative controls red. Ctrl-C stops it in order: what ran is reported,
// nothing is left running.
import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError, Option } from 'commander'
import { findRedisServer } from '../proof/parts/find-redis.ts'
import { type ProofOptions } from '../proof/options.ts'
import { createProgress, type Terminal } from '../proof/progress.ts'
import { type RunReport, summaryLine, toJson } from '../proof/report.ts'
import { runProof } from '../proof/runner.ts'
import { type Scenario } from '../proof/scenario.ts'
import { chooseScenarios, scenarios, type Selection } from '../proof/scenarios/index.ts'
import { Lifecycle } from '../runtime/lifecycle.ts'
import { createLogger } from '../runtime/log.ts'
import { handleSignals } from '../runtime/signals.ts'
import { above0, duration, wholeNumber } from './arguments.ts'
import { thenClose } from './closing.ts'
import { table } from './text.ts'
import { version } from './version.ts'

interface Flags {
  readonly list?: true
  readonly scenario: readonly string[]
  readonly selection: Selection
  readonly seed?: number
  readonly duration?: number
  readonly fleet: number
  readonly rate: number
  readonly brokers: number
  readonly workers: number
  readonly json?: string
  readonly data: string
  readonly keep?: string
  readonly redisServer?: string
  readonly pgBin?: string
  readonly logLevel: 'silent' | 'error' | 'warn' | 'info' | 'debug'
}

/** Of the faults of one scenario; in CI just long enough for each kind of fault once. */
const defaultDurationMs: Record<Selection, number> = { ci: 8_000, full: 30_000 }
const partitions = 8
const leaseMs = 3_000
const seeds = 2 ** 32 - 1

const examples = `
Examples:
  pulsegate proof                                    everything, most of an hour
  pulsegate proof --selection ci                     five minutes of it
  pulsegate proof --scenario kill-worker --seed 42   one scenario, replayed
  pulsegate proof --list                             what there is, and what each proves
More in docs/proof.md.`

/** `out` is where the table goes: standard output, unless a test listens. */
export function proofCommand (out: Terminal = process.stdout): Command {
  return new Command('proof')
    .description('Hurt a real set-up of separate processes and compare what was acknowledged with what is stored.')
    .option('--list', 'print the scenarios and what each proves, and end')
    .option('--scenario <name>', 'this scenario only; may be given again for more', collectScenarios, [])
    .addOption(new Option('--selection <which>', 'which scenarios, when none is named').choices(['ci', 'full']).default('full'))
    .option('--seed <n>', 'replay: the same seed gives the same faults (default: by chance, printed)', wholeNumber(0, seeds))
    .option('--duration <duration>', 'how long each scenario hurts (default: 30s; 8s with --selection ci)', duration)
    .option('--fleet <devices>', 'simulated devices, relayed sensors included', wholeNumber(2, 10_000), 40)
    .option('--rate <n>', 'messages a second of each device', above0, 5)
    .option('--brokers <n>', 'broker processes', wholeNumber(1, 8), 2)
    .option('--workers <n>', 'worker processes', wholeNumber(2, 8), 2)
    .option('--json <file>', 'where the report goes (default: proof/<seed>.json in the data folder)')
    .addOption(new Option('--data <directory>', 'the data folder').default('.pulsegate').env('PULSEGATE_DATA'))
    .option('--keep <directory>', 'keep data and logs of every scenario here; without it only those of one that failed')
    .addOption(new Option('--redis-server <program>', 'the redis-server to run (default: the one in PATH)').env('REDIS_SERVER'))
    .addOption(new Option('--pg-bin <directory>', 'the PostgreSQL programs to run (default: those that npm installed)').env('PG_BIN'))
    .addOption(new Option('--log-level <level>', 'what the proof itself logs; parts log into their folders').choices(['silent', 'error', 'warn', 'info', 'debug']).default('error'))
    .addHelpText('after', examples)
    .action(async (flags: Flags) => {
      if (flags.list) out.write(listText(scenarios))
      else process.exitCode = await proof(flags, out)
    })
}

function collectScenarios (name: string, before: readonly string[]): readonly string[] {
  try {
    chooseScenarios('full', [name])
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
  return [...before, name]
}

function listText (all: readonly Scenario[]): string {
  return table(['scenario', 'expected', 'ci', 'proves'], all.map(({ name, expect, ci, proves }) => [name, expect, ci ? 'ci' : '', proves]))
}

async function proof (flags: Flags, out: Terminal): Promise<number> {
  const log = createLogger({ level: flags.logLevel })
  const lifecycle = new Lifecycle({ log })
  const restoreSignals = handleSignals({ lifecycle, log })
  try {
    return await thenClose(lifecycle, async () => {
      const options = await optionsOf(flags, lifecycle, log)
      const chosen = chooseScenarios(flags.selection, flags.scenario)
      out.write(`seed ${options.seed}: ${chosen.length} scenarios, ${options.fleet} devices at ${options.rate} messages a second, ${options.brokers} brokers, ${options.workers} workers\n`)
      const report = await runProof(chosen, options, { commit: commitOf(), versions: { pulsegate: version, node: process.versions.node } }, createProgress(out))
      const file = await write(report, resolve(flags.json ?? join(flags.data, 'proof', `${options.seed}.json`)))
      out.write(`${summaryLine(report)}\nReport: ${file}\n`)
      if (lifecycle.stopping.aborted) out.write('Stopped before the end: the rest was not run.\n')
      return report.passed ? 0 : 1
    })
  } finally {
    restoreSignals()
  }
}

async function optionsOf (flags: Flags, lifecycle: Lifecycle, log: ProofOptions['log']): Promise<ProofOptions> {
  const { seed = randomInt(seeds), selection, fleet, rate, brokers, workers, keep } = flags
  const redisServer = await findRedisServer(flags.redisServer)
  const directory = await workFolder(keep, lifecycle)
  return {
    seed,
    durationMs: flags.duration ?? defaultDurationMs[selection],
    fleet,
    rate,
    brokers,
    workers,
    partitions,
    leaseMs,
    mains: { pulsegate: beside('main.js'), control: beside('control-broker.js') },
    redisServer,
    pgBin: flags.pgBin,
    directory,
    keep: keep !== undefined,
    log,
    signal: lifecycle.stopping
  }
}

/** PostgreSQL of a root user runs as somebody else, who has to be able to enter. */
async function workFolder (keep: string | undefined, lifecycle: Lifecycle): Promise<string> {
  if (keep !== undefined) {
    await mkdir(keep, { recursive: true, mode: 0o755 })
    return resolve(keep)
  }
  const directory = await mkdtemp(join(tmpdir(), 'pulsegate-proof-'))
  await chmod(directory, 0o755)
  lifecycle.onClose('work folder', () => tidy(directory))
  return directory
}

/** What a failed scenario left is a person's to look at. */
async function tidy (directory: string): Promise<void> {
  for (const shared of ['certs', 'enrolled']) await rm(join(directory, shared), { recursive: true, force: true })
  if ((await readdir(directory)).length === 0) await rm(directory, { recursive: true, force: true })
}

async function write (report: RunReport, file: string): Promise<string> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, toJson(report))
  return file
}

function beside (file: string): string { return fileURLToPath(new URL(file, import.meta.url)) }

/** Of the checkout this runs from, `+` when it has changes; null when there is none. */
function commitOf (): string | null {
  const git = (...args: string[]): string => execFileSync('git', ['-C', dirname(fileURLToPath(import.meta.resolve('#package'))), ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain', '-uno') === '' ? '' : '+'}`
  } catch {
    return null
  }
}
