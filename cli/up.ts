// `pulsegate up`: everything in one process, with a simulated ward. Steps: configuration, serve, ward, view, until a signal
// or --for; then drain the devices, compare their ledger with the database, print the verdict, release everything.
import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { PulsegateError } from '../runtime/errors.ts'
import { failPoints } from '../runtime/fail-points.ts'
import { createLogger, logFileDestination } from '../runtime/log.ts'
import { Lifecycle } from '../runtime/lifecycle.ts'
import { type Logger, type Observability } from '../runtime/observability.ts'
import { sleep } from '../runtime/retry.ts'
import { handleSignals } from '../runtime/signals.ts'
import { startTelemetry } from '../runtime/telemetry.ts'
import { thenClose } from './closing.ts'
import { lookFurther, startedLines } from './hints.ts'
import { configOf } from './options.ts'
import { agrees, prove } from './proof.ts'
import { serve, type Service } from './serve.ts'
import { addUpOptions, serveOptions, type UpConfig, type UpFlags, upSettings } from './up-settings.ts'
import { resultOf, verdictLines } from './verdict.ts'
import { version } from './version.ts'
import { createLiveView } from './view/live.ts'
import { plainLine } from './view/plain.ts'
import { type Snapshot } from './view/snapshot.ts'
import { openPlayback, startWard, type Ward } from './ward.ts'
import { watch } from './watch.ts'

const examples = `
Examples:
  pulsegate up                              a ward of 10 devices until Ctrl-C
  pulsegate up --for 20s --json             the same for a program: one JSON line, exit 0 when all agrees
  pulsegate up --no-simulator --mqtt-host 0.0.0.0    for real devices
  pulsegate up --wfdb record.hea            a real recording in place of the models`

export function upCommand (): Command {
  return addUpOptions(new Command('up'))
    .description('Everything in one process: database, broker, worker and a simulated ward. Ctrl-C drains and compares.')
    .addHelpText('after', examples)
    .action(async (flags: UpFlags, command: Command) => {
      if (flags.json && !flags.simulator) command.error("error: --json prints how the simulator's ledger and the database compare; it cannot go with --no-simulator", { exitCode: 2 })
      process.exitCode = await up(configOf(command, upSettings), flags)
    })
}

/** Runs until asked to stop; the exit code says whether ledger and database agree. */
async function up (config: UpConfig, flags: UpFlags): Promise<number> {
  const live = process.stdout.isTTY && !flags.json
  makeDataFolder(config.data)
  const logFile = join(config.data, 'pulsegate.log')
  // a log line in the middle of the live view would tear it
  const log = createLogger({ level: config.logLevel, ...(live && { destination: logFileDestination(logFile) }) })
  if (config.failPoints !== undefined) failPoints.arm(config.failPoints)
  const lifecycle = new Lifecycle({ log, graceMs: config.graceMs })
  const restoreSignals = handleSignals({ lifecycle, log })
  // progress belongs to standard output, except where that is kept for the one JSON line
  const say = (line: string): void => { (flags.json ? process.stderr : process.stdout).write(`${line}\n`) }
  try {
    return await thenClose(lifecycle, async () => {
      const playback = await openPlayback(flags)
      say('starting: database, certificates, broker, devices …')
      const started = await start({ config, flags, playback, lifecycle, log })
      if (started === null) {
        say('stopped before everything was up: nothing was sent')
        return 0
      }
      const { service, ward } = started
      for (const line of startedLines(service, config, live ? logFile : null)) say(line)
      await show(service, ward, lifecycle, live, say, flags.for)
      return ward === null ? 0 : await conclude(service, ward, config, flags, lifecycle, say)
    })
  } finally {
    restoreSignals()
  }
}

interface Start {
  readonly config: UpConfig
  readonly flags: UpFlags
  readonly playback: Awaited<ReturnType<typeof openPlayback>>
  readonly lifecycle: Lifecycle
  readonly log: Logger
}

/** Null when it was asked to stop before everything was up. */
async function start ({ config, flags, playback, lifecycle, log }: Start): Promise<{ service: Service, ward: Ward | null } | null> {
  try {
    const { service, observability } = await open(config, flags, lifecycle, log)
    const ward = flags.simulator ? await startWard({ service, config, flags, playback, lifecycle, observability }) : null
    return { service, ward }
  } catch (error) {
    if (!lifecycle.stopping.aborted) throw error
    log.debug({ err: error }, 'stopped while starting') // such as initdb, which the same Ctrl-C has ended
    return null
  }
}

function makeDataFolder (path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 })
    accessSync(path, constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new PulsegateError('CONFIG_INVALID', `--data ${path} cannot be used as a folder (${(cause as NodeJS.ErrnoException).code ?? 'unknown'}): name one that this user may write`, { cause })
  }
}

async function open (config: UpConfig, flags: UpFlags, lifecycle: Lifecycle, log: Logger): Promise<{ service: Service, observability: Observability }> {
  const telemetry = await startTelemetry({
    serviceName: 'pulsegate',
    serviceVersion: version,
    log,
    ...(config.otlpEndpoint !== undefined && { otlpEndpoint: config.otlpEndpoint })
  })
  lifecycle.onClose('telemetry', () => telemetry.close())
  const observability = { log, meter: telemetry.meter, tracer: telemetry.tracer }
  const service = await serve(serveOptions(config, flags), { lifecycle, observability, metricsText: () => telemetry.prometheusText() })
  return { service, observability }
}

/** Shows what happens until a signal, the end of what was to be played, or `forMs`. */
async function show (service: Service, ward: Ward | null, lifecycle: Lifecycle, live: boolean, say: (line: string) => void, forMs: number | undefined): Promise<void> {
  const view = live ? createLiveView(process.stdout) : { show: (now: Snapshot) => { say(plainLine(now)) }, close: () => {} }
  if (forMs !== undefined) sleep(forMs, lifecycle.stopping).then(() => { lifecycle.stop('--for is over') }, () => {})
  // a recording that has been played ends the run
  ward?.simulator.finished.then(() => { lifecycle.stop('the recording is over') }, () => {})
  await watch({
    service,
    simulator: ward?.simulator ?? null,
    plotted: live ? ward?.plotted ?? null : null,
    everyMs: live ? 1_000 : 5_000,
    show: (now) => { view.show(now) },
    signal: lifecycle.stopping
  })
  view.close()
}

async function conclude (service: Service, ward: Ward, config: UpConfig, flags: UpFlags, lifecycle: Lifecycle, say: (line: string) => void): Promise<number> {
  say('draining: the devices finish what they hold …')
  const { outstanding } = ward.simulator.stats()
  const drained = await ward.simulator.drain({ graceMs: lifecycle.hard.aborted ? 0 : config.graceMs })
  if (!drained) say(`not everything was acknowledged in time (${outstanding} outstanding at the start of draining); it is kept and sent again at the next start`)
  await service.untilHandled(AbortSignal.any([lifecycle.hard, AbortSignal.timeout(config.graceMs)])).catch(() => { say('not everything that lies in Redis was stored in time; it stays there for the next start') })
  const proof = await prove(service.database, ward.simulator, ward.startedAtMs)
  const verdict = { ...proof, latency: ward.simulator.stats().ackLatency, database: service.databaseKind }
  if (flags.json) process.stdout.write(JSON.stringify(resultOf(verdict)) + '\n')
  else for (const line of [...verdictLines(verdict), ...lookFurther(service, config)]) say(line)
  return agrees(proof) ? 0 : 1
}
