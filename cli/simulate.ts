// `pulsegate simulate`: the simulated ward, or a recording, against any Pulsegate. Takes an address and an authority to enrol
// with; says every few seconds how it goes; drains at the end and exits 0 only when everything sent was acknowledged (and,
// where a database was given, agrees with the ledger).
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { Lifecycle } from '../runtime/lifecycle.ts'
import { createLogger } from '../runtime/log.ts'
import { quietObservability } from '../runtime/observability.ts'
import { sleep } from '../runtime/retry.ts'
import { handleSignals } from '../runtime/signals.ts'
import { createFleet, defaultFleetSize, type Fleet } from '../simulator/fleet.ts'
import { type Comparison } from '../simulator/ledger-compare.ts'
import { createPlayback, type Playback } from '../simulator/playback.ts'
import { startSimulator, type Simulator } from '../simulator/simulator.ts'
import { readWfdb } from '../simulator/wfdb.ts'
import { above0, brokerUrl, duration, wholeNumber } from './arguments.ts'
import { thenClose } from './closing.ts'
import { addEstOptions, identitiesOf, type IdentityOptions } from './simulate-est.ts'
import { playbackLines, progressLine, simulateResult, summaryLines } from './simulate-text.ts'

/** What needs a database, composed by main: without these the command has no --database-url. */
export interface SimulateHooks {
  /** Makes the ward known: relayed sensors may speak only through a gateway they are paired with. */
  readonly prepare: (fleet: Fleet, databaseUrl: string) => Promise<void>
  readonly compare: (simulator: Simulator, databaseUrl: string) => Promise<Comparison>
}

interface Options extends IdentityOptions {
  readonly url: string
  readonly devices?: number
  readonly seed: number
  readonly rate?: number
  readonly for?: number
  readonly drain: number
  readonly wfdb?: string
  readonly speed?: number
  readonly loop?: true
  readonly ledger?: string
  readonly keepalive: number
  readonly logLevel: 'silent' | 'error' | 'warn' | 'info' | 'debug'
  readonly databaseUrl?: string
  readonly json?: true
}

const progressEveryMs = 5_000

export function simulateCommand (hooks?: SimulateHooks): Command {
  const command = addEstOptions(new Command('simulate')
    .description('Run simulated devices, or play a recording, against a Pulsegate.')
    .option('--url <url>', 'the broker', brokerUrl, 'mqtts://127.0.0.1:8883')
    .addOption(new Option('--data <directory>', 'where keys, outbox and ledger are kept, in simulate/<seed>/').default('.pulsegate').env('PULSEGATE_DATA'))
    .addOption(new Option('--certs <directory>', 'certificate authority to enrol with (default: certs/ in --data)').env('PULSEGATE_CERTS'))
    .option('--ca <file>', 'CAs the broker is checked against (default: ca.pem of --certs)'))
    .option('--devices <n>', `how many devices, relayed sensors included (default: ${defaultFleetSize}, one bay)`, wholeNumber(1, 10_000))
    .option('--seed <n>', 'which ward: its ids, patients and signals', wholeNumber(0, 2 ** 32 - 1), 2)
    .option('--rate <n>', 'messages a second of each device (default: each kind\'s own tempo)', above0)
    .option('--for <duration>', 'stop after this, such as 20s (default: until Ctrl-C, or the end of the recording)', duration)
    .option('--drain <duration>', 'how long to wait for what is unacknowledged at the end', duration, 15_000)
    .option('--wfdb <file>', 'play this WFDB record (.hea) through an ECG patch and an oximeter instead')
    .option('--speed <n>', 'seconds of the recording a second', above0)
    .option('--loop', 'begin the recording again at its end')
    .option('--ledger <file>', 'the ledger (default: ledger.jsonl in the folder of this ward)')
    .option('--keepalive <seconds>', 'of MQTT', wholeNumber(1, 65_535), 60)
    .addOption(new Option('--log-level <level>', 'what is logged').choices(['silent', 'error', 'warn', 'info', 'debug']).default('warn'))
    .option('--json', 'one JSON line at the end')
  if (hooks) {
    command.addOption(new Option('--database-url <url>', 'pair the ward and compare the ledger with this database').env('DATABASE_URL'))
  }
  return command
    .addHelpText('after', `
Examples:
  pulsegate simulate --for 1m                       the default ward against a local \`pulsegate up\`
  pulsegate simulate --devices 1000 --rate 1        a thousand devices
  pulsegate simulate --wfdb v102s.hea --speed 10    a real recording, ten times as fast
  pulsegate simulate --est https://localhost:8443 --token-file tokens.txt --ca ca.pem    enrolled as real devices are
More in docs/simulator.md.`)
    .action(async (options: Options) => { process.exitCode = await simulate(options, hooks) })
}

/** Runs to the end; the exit code: 0 everything acknowledged and, if compared, agreeing. */
async function simulate (options: Options, hooks?: SimulateHooks): Promise<number> {
  const log = createLogger({ level: options.logLevel })
  const lifecycle = new Lifecycle({ log })
  const forgetSignals = handleSignals({ lifecycle, log })
  const say = (lines: readonly string[]): void => { if (!options.json) process.stdout.write(lines.map((line) => `${line}\n`).join('')) }
  return await thenClose(lifecycle, async () => {
    const playback = options.wfdb === undefined ? undefined : await openPlayback(options.wfdb, options)
    if (playback) say(playbackLines(playback))
    const fleet = createFleet({ seed: options.seed, ...fleetSize(options, playback) })
    const directory = join(options.data, 'simulate', String(options.seed))
    const identities = await identitiesOf(options, directory, lifecycle.stopping)
    if (hooks && options.databaseUrl) await hooks.prepare(fleet, options.databaseUrl)
    else if (fleet.pairings.length > 0) say(['Relayed sensors are quarantined until they are paired: pulsegate devices pair <gateway> <sensor>', ...fleet.pairings.map(({ gateway, sensor }) => `  ${gateway} ${sensor}`)])
    const simulator = await start(options, directory, identities, fleet, playback)
    lifecycle.onClose('simulator', async () => simulator.close())
    const drained = await run(simulator, options, lifecycle, say)
    const comparison = hooks && options.databaseUrl ? await hooks.compare(simulator, options.databaseUrl) : null
    const outcome = { stats: simulator.stats(), drained, comparison, ledgerFile: simulator.ledger.file }
    if (options.json) process.stdout.write(`${JSON.stringify(simulateResult(outcome))}\n`)
    else say(summaryLines(outcome))
    return drained && (comparison?.agrees ?? true) ? 0 : 1
  }).finally(forgetSignals)
}

/** Runs until it is over, then drains; true when everything was acknowledged. */
async function run (simulator: Simulator, options: Options, lifecycle: Lifecycle, say: (lines: string[]) => void): Promise<boolean> {
  const startedMs = performance.now()
  const progress = setInterval(() => say([progressLine(performance.now() - startedMs, simulator.stats())]), progressEveryMs)
  const over = options.for === undefined ? [] : [sleep(options.for, lifecycle.stopping).catch(() => {})]
  try {
    await Promise.race([lifecycle.stopRequested(), simulator.finished, ...over])
    return await simulator.drain({ graceMs: options.drain })
  } finally {
    clearInterval(progress)
  }
}

async function start (options: Options, directory: string, identities: Awaited<ReturnType<typeof identitiesOf>>, fleet: Fleet, playback: Playback | undefined): Promise<Simulator> {
  return startSimulator({
    url: options.url,
    ...identities,
    fleet,
    directory,
    keepaliveS: options.keepalive,
    observability: { ...quietObservability(), log: createLogger({ level: options.logLevel }) },
    ...(options.ledger !== undefined && { ledgerFile: options.ledger }),
    ...(options.rate !== undefined && { rate: options.rate }),
    ...(playback && { playback })
  })
}

async function openPlayback (file: string, { speed, loop }: Options): Promise<Playback> {
  return createPlayback(await readWfdb(file), { ...(speed !== undefined && { speed }), ...(loop && { loop }) })
}

/** A recording is played by as many devices as it has kinds; others beside it only when asked for. */
function fleetSize ({ devices }: Options, playback: Playback | undefined): Partial<Parameters<typeof createFleet>[0]> {
  if (devices !== undefined) return { devices }
  return playback ? { devices: playback.kinds.length, kinds: playback.kinds } : {}
}
