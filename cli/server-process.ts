// What every long-running process of Pulsegate has in common: one log, signals that drain first and stop second, telemetry, the private
// health address from the first moment on, and everything released at the end. Takes the configuration and what to run, gives
// the exit code.
import { failPoints } from '../runtime/fail-points.ts'
import { Health } from '../runtime/health.ts'
import { type HealthServer, startHealthServer } from '../runtime/health-server.ts'
import { Lifecycle } from '../runtime/lifecycle.ts'
import { createLogger } from '../runtime/log.ts'
import { type Observability } from '../runtime/observability.ts'
import { handleSignals } from '../runtime/signals.ts'
import { type Config } from '../runtime/settings.ts'
import { startTelemetry } from '../runtime/telemetry.ts'
import { thenClose } from './closing.ts'
import { version } from './version.ts'

/** Settings that `runServer` itself needs. */
export const serverSettings = ['healthHost', 'healthPort', 'graceMs', 'logLevel', 'otlpEndpoint', 'failPoints'] as const

export type ServerConfig = Config<typeof serverSettings[number]>

export interface ServerContext {
  readonly lifecycle: Lifecycle
  readonly observability: Observability
  readonly health: Health
  readonly healthServer: HealthServer
}

/** Runs `start`, then until a signal; 0 when everything was released in order. Errors of `start` are thrown, unless it was asked to stop. */
export async function runServer (name: string, config: ServerConfig, start: (context: ServerContext) => Promise<void>): Promise<number> {
  const log = createLogger({ level: config.logLevel })
  if (config.failPoints !== undefined) failPoints.arm(config.failPoints)
  const lifecycle = new Lifecycle({ log, graceMs: config.graceMs })
  const restoreSignals = handleSignals({ lifecycle, log })
  try {
    return await thenClose(lifecycle, async () => {
      const context = await open(name, config, lifecycle, log)
      const starting = context.health.register('start', () => ({ ready: false, reason: 'starting' }))
      try {
        await start(context)
      } catch (error) {
        if (!lifecycle.stopping.aborted) throw error
        log.debug({ err: error }, 'stopped while starting')
      }
      starting()
      await lifecycle.stopRequested()
      return 0
    })
  } finally {
    restoreSignals()
  }
}

async function open (name: string, config: ServerConfig, lifecycle: Lifecycle, log: Observability['log']): Promise<ServerContext> {
  const telemetry = await startTelemetry({
    serviceName: name,
    serviceVersion: version,
    log,
    ...(config.otlpEndpoint !== undefined && { otlpEndpoint: config.otlpEndpoint })
  })
  lifecycle.onClose('telemetry', () => telemetry.close())
  const health = new Health()
  const healthServer = await startHealthServer({ host: config.healthHost, port: config.healthPort, health, metricsText: () => telemetry.prometheusText() })
  lifecycle.onClose('health server', () => healthServer.close())
  return { lifecycle, observability: { log, meter: telemetry.meter, tracer: telemetry.tracer }, health, healthServer }
}
