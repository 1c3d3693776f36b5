// What any process says about itself: memory, CPU and how late its event loop runs. Names are those of the Prometheus
// client libraries, so existing dashboards fit. Everything is read when somebody asks; nothing runs in between but the
// event-loop monitor, whose histogram starts anew at each reading.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Meter } from '@opentelemetry/api'

/** Registers the instruments on `meter`; returns a function that stops the monitor. */
export function observeProcess (meter: Meter): () => void {
  // 20 ms: finer sampling costs more timers than it tells
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()

  meter.createObservableGauge('process_resident_memory_bytes', { description: 'Resident memory.', unit: 'By' })
    .addCallback((result) => result.observe(process.memoryUsage.rss()))
  meter.createObservableGauge('nodejs_heap_used_bytes', { description: 'JavaScript heap in use.', unit: 'By' })
    .addCallback((result) => result.observe(process.memoryUsage().heapUsed))
  meter.createObservableGauge('nodejs_external_memory_bytes', { description: 'Buffers and other memory outside the heap.', unit: 'By' })
    .addCallback((result) => result.observe(process.memoryUsage().external))
  meter.createObservableCounter('process_cpu_seconds', { description: 'CPU time used.', unit: 's' })
    .addCallback((result) => {
      const { user, system } = process.cpuUsage()
      result.observe(user / 1e6, { mode: 'user' })
      result.observe(system / 1e6, { mode: 'system' })
    })
  meter.createObservableGauge('nodejs_eventloop_delay_seconds', { description: 'How late timers ran since the last reading.', unit: 's' })
    .addCallback((result) => {
      // an empty histogram answers max = 0 and NaN percentiles
      const seconds = (nanoseconds: number) => Number.isFinite(nanoseconds) ? nanoseconds / 1e9 : 0
      result.observe(seconds(delay.percentile(50)), { quantile: '0.5' })
      result.observe(seconds(delay.percentile(99)), { quantile: '0.99' })
      result.observe(seconds(delay.max), { quantile: '1' })
      delay.reset()
    })
  meter.createObservableGauge('process_start_time_seconds', { description: 'Start of the process, Unix time.', unit: 's' })
    .addCallback((result) => result.observe(Math.round(Date.now() / 1_000 - process.uptime())))
  return () => { delay.disable() }
}
