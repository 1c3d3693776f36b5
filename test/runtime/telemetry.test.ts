import { test, type Test } from 'tap'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { gunzipSync } from 'node:zlib'
import { type AddressInfo } from 'node:net'
import { startTelemetry } from '../../runtime/telemetry.ts'

/** A collector that keeps what it is sent. */
async function startCollector (t: Test) {
  const received: Array<{ path: string, body: string }> = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const bytes = Buffer.concat(chunks)
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
      received.push({ path: request.url ?? '', body: body.toString('latin1') })
      response.setHeader('content-type', 'application/json')
      response.end('{}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close(); server.closeAllConnections() })
  return { received, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

test('metrics are read as Prometheus text, the process itself among them', async (t) => {
  const telemetry = await startTelemetry({ serviceName: 'pulsegate-test' })
  t.teardown(() => telemetry.close())
  telemetry.meter.createCounter('pulsegate_messages', { description: 'Messages.' }).add(3, { outcome: 'stored', reason: '' })
  const text = await telemetry.prometheusText()
  t.match(text, /^pulsegate_messages_total\{outcome="stored",reason=""\} 3$/m)
  t.match(text, /^process_resident_memory_bytes \d+$/m)
  t.match(text, /^process_cpu_seconds_total\{mode="user"\} [\d.]+$/m)
  t.match(text, /^nodejs_eventloop_delay_seconds\{quantile="0.99"\} [\d.e-]+$/m)
  t.match(text, /service_name="pulsegate-test"/)
})

test('with an endpoint, metrics and traces reach the collector, the last ones when closing', async (t) => {
  const collector = await startCollector(t)
  const telemetry = await startTelemetry({ serviceName: 'pulsegate-test', otlpEndpoint: collector.url + '/', pushEveryMs: 60_000 })
  telemetry.meter.createCounter('pulsegate_messages').add(1)
  telemetry.tracer.startActiveSpan('write batch', (span) => { span.end() })
  await telemetry.close()
  t.match(collector.received.find(({ path }) => path === '/v1/metrics')?.body, 'pulsegate_messages')
  t.match(collector.received.find(({ path }) => path === '/v1/traces')?.body, 'write batch')
})

test('a collector that is not there does not hold up the end', async (t) => {
  const telemetry = await startTelemetry({ serviceName: 'pulsegate-test', otlpEndpoint: 'http://127.0.0.1:9', pushEveryMs: 60_000 })
  telemetry.tracer.startSpan('lost').end()
  const startedMs = performance.now()
  await telemetry.close()
  t.ok(performance.now() - startedMs < 10_000)
})
