// Metrics and traces of one process, through OpenTelemetry. Metrics are always collected and read on demand as Prometheus
// text (health-server.ts serves it); with an OTLP endpoint, metrics and traces are also pushed there, by exporters that are
// loaded only then. Nothing global is registered but the span context, so tests can run several side by side.
import { diag, DiagLogLevel, trace, type Meter, type Tracer } from '@opentelemetry/api'
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { resourceFromAttributes, type Resource } from '@opentelemetry/resources'
import { MeterProvider, MetricReader, type IMetricReader } from '@opentelemetry/sdk-metrics'
import { type Logger } from './observability.ts'
import { observeProcess } from './process-metrics.ts'

export interface TelemetryOptions {
  /** `service.name`, such as `pulsegate-broker`. */
  readonly serviceName: string
  readonly serviceVersion?: string
  /** Base URL of an OTLP/HTTP collector, such as `http://localhost:4318`; absent = nothing is pushed. */
  readonly otlpEndpoint?: string
  /** Told when pushing fails. */
  readonly log?: Logger
  /** How often metrics are pushed. */
  readonly pushEveryMs?: number
}

export interface Telemetry {
  readonly meter: Meter
  readonly tracer: Tracer
  /** All metrics in the Prometheus text format. */
  prometheusText (): Promise<string>
  /** Pushes what is held (a few seconds at most) and stops. */
  close (): Promise<void>
}

/** A collector that does not answer must not hold up the process's end. */
const closeWithinMs = 3_000

/** Reads all metrics when asked, from memory. */
class PullReader extends MetricReader {
  protected override async onForceFlush (): Promise<void> {}
  protected override async onShutdown (): Promise<void> {}
}

export async function startTelemetry (options: TelemetryOptions): Promise<Telemetry> {
  const { serviceName, serviceVersion = '0', otlpEndpoint } = options
  const resource = resourceFromAttributes({ 'service.name': serviceName, 'service.version': serviceVersion })
  const pull = new PullReader()
  const push = otlpEndpoint === undefined ? null : await startPush(otlpEndpoint, resource, options)
  const meters = new MeterProvider({ resource, readers: push ? [pull, push.reader] : [pull] })
  const meter = meters.getMeter('pulsegate')
  const stopObserving = observeProcess(meter)
  const serializer = new PrometheusSerializer('', false, undefined, false, true)
  return {
    meter,
    tracer: push?.tracer ?? trace.getTracer('pulsegate'),
    prometheusText: async () => serializer.serialize((await pull.collect()).resourceMetrics),
    close: async () => {
      await withinTime(Promise.allSettled([meters.shutdown(), push?.close()]), closeWithinMs)
      stopObserving()
    }
  }
}

interface Push { readonly reader: IMetricReader, readonly tracer: Tracer, close (): Promise<void> }

async function startPush (endpoint: string, resource: Resource, { log, pushEveryMs = 15_000 }: TelemetryOptions): Promise<Push> {
  const [{ PeriodicExportingMetricReader }, { OTLPMetricExporter }, { OTLPTraceExporter }, { NodeTracerProvider, BatchSpanProcessor }] = await Promise.all([
    import('@opentelemetry/sdk-metrics'),
    import('@opentelemetry/exporter-metrics-otlp-http'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/sdk-trace-node')
  ])
  if (log) logFailures(log)
  const base = endpoint.replace(/\/+$/, '')
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ url: `${base}/v1/metrics` }),
    exportIntervalMillis: pushEveryMs,
    exportTimeoutMillis: Math.min(pushEveryMs, 10_000)
  })
  // the processor holds at most 2048 spans and drops above that: traces are a help, never a duty
  const tracers = new NodeTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${base}/v1/traces` }))] })
  tracers.register()
  return { reader, tracer: tracers.getTracer('pulsegate'), close: () => tracers.shutdown() }
}

/** OpenTelemetry tells of failed pushes through its global diagnostics; at most one line a minute, so an absent collector does not fill the log. */
function logFailures (log: Logger): void {
  let quietUntil = 0
  const error = (reason: string) => {
    if (Date.now() < quietUntil) return
    quietUntil = Date.now() + 60_000
    log.warn({ reason }, 'metrics or traces could not be pushed')
  }
  const nothing = () => {}
  diag.setLogger({ error, warn: nothing, info: nothing, debug: nothing, verbose: nothing }, { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true })
}

async function withinTime (work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([work, new Promise((resolve) => { timer = setTimeout(resolve, ms) })])
  clearTimeout(timer)
}
