// Signs of two voices in one device's name, and of stepped clocks: what is told, what is not, and how much of it.
import { metrics, trace } from '@opentelemetry/api'
import { test, type Test } from 'tap'
import { outcome } from '../../ingest/batch.ts'
import { startClockWatch } from '../../ingest/clock-watch.ts'
import { Columns } from '../../ingest/columns.ts'
import { SecurityEvents } from '../../ingest/security-events.ts'
import { type SeqFinding, SeqWatch } from '../../ingest/seq-watch.ts'
import { startWorker } from '../../ingest/worker.ts'
import { createDirectQueue } from '../../queue/direct.ts'
import { createLogger } from '../../runtime/log.ts'
import { type Observability, quietObservability } from '../../runtime/observability.ts'
import { startTelemetry } from '../../runtime/telemetry.ts'
import { type Delivery, deliver, deviceId, telemetry } from '../fixtures/deliveries.ts'
import { eventually } from '../fixtures/broker.ts'
import { ingestBench, retentionMs } from '../fixtures/ingest.ts'
import { toldLog } from '../fixtures/told.ts'
import { needsServices } from '../services/skip.ts'

interface Sent { boot?: number, publisher?: number, seq: number, tickMs?: number, wallMs?: number | null, errorMs?: number | null, flags?: number, became?: number }

const historical = 1
const stepped = 8

/** A watch, fed batch by batch; gives what it finds as text. */
function watching (): (...sent: Sent[]) => string[] {
  const watch = new SeqWatch()
  return (...sent) => {
    const columns = new Columns()
    for (const { boot = 1, publisher = 1, seq, tickMs = seq * 1_000, wallMs = 1e12 + tickMs, errorMs = 20, flags = 0 } of sent) {
      columns.addMessage({
        timeMs: wallMs ?? 1e12 + tickMs, device: 1, boot, seq, receivedAtMs: 2e12, publisher, flags, clockSource: 2, clockErrorMs: errorMs, rssiDbm: null, placed: wallMs === null ? 2 : 1, tickMs, unknownKeys: 0
      })
    }
    const found: string[] = []
    watch.note(columns, Uint8Array.from(sent, ({ became = outcome.stored }) => became), (message, finding: SeqFinding) => {
      found.push(`${message} ${finding.event} ${finding.reason}${'byMs' in finding ? ` ${finding.byMs}` : ''}${'highest' in finding ? ` ${finding.highest}` : ''}`)
    })
    return found
  }
}

const run = (from: number, to: number, more: Partial<Sent> = {}): Sent[] => Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => ({ seq: from < to ? from + i : from - i, ...more }))

test('a new live message far below the highest of its boot is a regression [C22]', (t) => {
  const send = watching()
  t.strictSame(send(...run(0, 700), { seq: 1_000 }), [])
  t.strictSame(send({ seq: 743 }), ['0 seq-regression lower-than-live 1000'])
  t.strictSame(send({ seq: 744 }), [], 'as far below as what may be in flight')
  t.strictSame(send({ seq: 0, boot: 2, tickMs: 0 }), [], 'another boot counts anew')
  t.end()
})

test('an identity used for two different contents is told, however it was stored [C22]', (t) => {
  const send = watching()
  send(...run(0, 10))
  t.strictSame(send({ seq: 7, tickMs: 7_001, became: outcome.duplicate }), ['0 seq-regression identity-reused'], 'a receipt with another tick')
  t.strictSame(send({ seq: 6, wallMs: 1e12 + 6_500 }), ['0 seq-regression identity-reused'], 'the same tick at another time')
  t.strictSame(send({ seq: 5, tickMs: 5_001, became: outcome.quarantined }), [], 'what was not stored says nothing')
  t.end()
})

test('a clock that jumps against the tick, or a device that says so, is a step [C22]', (t) => {
  const send = watching()
  t.strictSame(send({ seq: 0 }, { seq: 1 }, { seq: 2, wallMs: 1e12 + 2_000 + 4_900 }), [], 'a few seconds are corrections')
  t.strictSame(send({ seq: 3, wallMs: 1e12 + 3_000 + 64_900 }), ['0 clock-step jumped 60000'])
  t.strictSame(send({ seq: 4, wallMs: 1e12 + 4_000 + 64_900 }), [], 'once')
  t.strictSame(send({ seq: 5, wallMs: 1e12 + 5_000 }), ['0 clock-step jumped -64900'], 'back again')
  t.strictSame(send({ seq: 6, wallMs: 1e12 + 6_000 + 90_000, errorMs: 86_000 }), [], 'within the error it admits')
  t.strictSame(send({ seq: 7, wallMs: 1e12 + 3_600_000, flags: stepped }), ['0 clock-step flagged'], 'one event, not two')
  t.strictSame(send({ seq: 7, wallMs: 1e12 + 3_600_000, flags: stepped, became: outcome.duplicate }), [], 'nor for its resend')
  t.strictSame(send({ seq: 0, boot: 2, wallMs: null }, { seq: 1, boot: 2, wallMs: 1e12 }), [], 'a clock that is set for the first time')
  t.end()
})

test('no false alarm: backlog, resends, two gateways, a restart, many series [C22]', (t) => {
  const backlog = watching()
  backlog(...run(2_000, 2_100))
  t.strictSame(backlog(...run(1_999, 0, { flags: historical })), [], 'newest first, marked historical')
  t.strictSame(backlog(...run(1_000, 1_100, { flags: historical, wallMs: 9e11 })).filter((found) => found.includes('clock')), [], 'measured before the clock was set')
  t.strictSame(backlog(...run(2_101, 2_110)), [], 'and live goes on')

  const resends = watching()
  resends(...run(0, 700), ...run(950, 1_000))
  t.strictSame(resends(...run(0, 700, { became: outcome.duplicate })), [], 'the same messages again')
  t.strictSame(resends(...run(745, 949)), [], 'in flight when the connection broke, stored late')

  const gateways = watching()
  t.strictSame(gateways(...run(5_000, 6_000, { publisher: 2 }), ...run(0, 1_000, { publisher: 3, flags: 0 }), ...run(6_001, 6_100, { publisher: 2 })), [], 'each sends in order')
  t.strictSame(gateways({ publisher: 3, seq: 1_001, wallMs: 9e11 }).map((found) => found.slice(0, 19)), ['0 clock-step jumped'], 'and each is watched')

  t.strictSame(watching()(...run(500, 400, { became: outcome.duplicate }), ...run(501, 600)), [], 'after a restart nothing is known')

  // ten times as many series as there are slots, interleaved
  const crowd = watching()
  for (let round = 0; round < 3; round++) {
    for (let part = 0; part < 10; part++) {
      t.strictSame(crowd(...Array.from({ length: 20_000 }, (_, i) => ({ boot: part * 20_000 + i + 1, publisher: i, seq: round * 300 }))), [])
    }
  }
  t.end()
})

test('events of one device are limited, counted in full, and the rest is told later [C22]', async (t) => {
  const started = await startTelemetry({ serviceName: 'test' })
  t.teardown(() => started.close())
  const audit = toldLog()
  let nowMs = 0
  const events = new SecurityEvents(audit, { log: quietObservability().log, meter: started.meter }, () => nowMs)
  const tell = (device: string): void => { events.tell({ event: 'seq-regression', reason: 'lower-than-live', device, agent: { id: deviceId(9), role: 'device' }, detail: { seq: 1 } }) }
  for (let i = 0; i < 1_000; i++) tell(deviceId(1))
  tell(deviceId(2))
  t.equal(audit.events.length, 2, 'the first of each device')
  nowMs = 60_000
  tell(deviceId(1))
  t.match(audit.events[2], { type: 'security', subtype: 'seq-regression', count: 1_000, entity: { type: 'device', id: deviceId(1) }, agent: { id: deviceId(9) } })
  for (let i = 0; i < 5; i++) tell(deviceId(2))
  nowMs = 90_000
  tell(deviceId(2))
  events.close()
  t.equal(audit.events.filter(({ entity }) => entity?.id === deviceId(2)).reduce((sum, { count = 1 }) => sum + count, 0), 7, 'none is forgotten at the end')
  t.match(await started.prometheusText(), /pulsegate_security_events_total\{event="seq-regression"[^}]*\} 1008/)
  for (let i = 0; i < 30_000; i++) tell(deviceId(i))
  events.close()
  t.equal(audit.events.reduce((sum, { count = 1 }) => sum + count, 0), 31_008, 'nor when more devices than are remembered do it')
})

test('through a worker: what was stored is told with device, publisher, boot and seq; a batch is never hurt [C22]', needsServices, async (t) => {
  const { database, registry, keys } = await ingestBench(t)
  const audit = toldLog()
  const observability = quietObservability()
  const queue = createDirectQueue({}, observability)
  const worker = startWorker({ queue, database, settings: { retentionMs }, keys, observability, audit })
  t.teardown(async () => { await queue.close(); await worker.close() })
  await registry.pair(deviceId(1), deviceId(2), Date.now() - 86_400_000)
  const send = async (...deliveries: Delivery[]): Promise<void> => {
    for (const { envelope } of deliveries) queue.accept(envelope)
    for (const { settled } of deliveries) t.equal(await settled, null)
  }
  const begunMs = Date.now() - 3_600_000
  const message = (seq: number, more: { tickMs?: number, flags?: number } = {}): Parameters<typeof deliver>[1] => {
    const { tickMs = seq * 1_000, flags = 0 } = more
    return telemetry(seq, { header: { source: deviceId(2), boot: 77n, baseTickMs: tickMs, baseWallMs: begunMs + tickMs }, flags })
  }
  await send(deliver(deviceId(1), message(0)), deliver(deviceId(1), message(1_000)))
  await send(deliver(deviceId(1), message(1_000)), deliver(deviceId(1), message(600, { flags: historical })))
  t.strictSame(audit.events, [], 'a resend and a backlog are nothing')
  await send(deliver(deviceId(1), message(500)), deliver(deviceId(1), message(501)), deliver(deviceId(1), message(1_001, { flags: stepped })))
  t.match(audit.events, [
    { type: 'security', subtype: 'seq-regression', reason: 'lower-than-live', agent: { id: deviceId(1), role: 'device' }, entity: { type: 'device', id: deviceId(2) }, detail: { boot: '77', seq: 500, highest: 1_000 } },
    { type: 'security', subtype: 'clock-step', reason: 'flagged', detail: { boot: '77', seq: 1_001 } }
  ])
  t.equal(audit.events.length, 2)
  await send(deliver(deviceId(1), telemetry(1_001, { header: { source: deviceId(2), boot: 77n, baseTickMs: 1_001_500, baseWallMs: begunMs + 1_001_500 } })))
  await queue.close()
  await worker.close()
  t.match(audit.events.slice(2), [{ subtype: 'seq-regression', count: 2, reason: 'identity-reused', detail: { seq: 1_001 } }], 'what was held back is told at the end')
})

function listening (t: Test): { observability: Observability, lines: Array<Record<string, unknown>> } {
  const lines: Array<Record<string, unknown>> = []
  t.teardown(() => { lines.length = 0 })
  return {
    lines,
    observability: {
      log: createLogger({ level: 'info', destination: { write: (line: string) => { lines.push(JSON.parse(line) as Record<string, unknown>) } } }),
      meter: metrics.getMeter('test'),
      tracer: trace.getTracer('test')
    }
  }
}

test('a step of this machine\'s own clock is told, slewing is not [C22]', async (t) => {
  const { observability, lines } = listening(t)
  const audit = toldLog()
  let monotonicMs = 0
  let wallMs = 1e12
  let asked = 0
  const close = startClockWatch({ observability, audit, everyMs: 1, wall: () => { asked++; return wallMs }, monotonic: () => monotonicMs })
  t.teardown(close)
  const pass = async (wall: number, monotonic: number): Promise<void> => {
    wallMs += wall
    monotonicMs += monotonic
    const before = asked
    await eventually(() => asked > before + 1)
  }
  for (let i = 0; i < 5; i++) await pass(1_000.5 + i, 1_000)
  t.strictSame(audit.events, [])
  await pass(-3_599_000, 1_000)
  t.match(audit.events, [{ type: 'security', subtype: 'clock-step', reason: 'server', detail: { byMs: -3_600_000 } }])
  await pass(1_000, 1_000)
  t.equal(audit.events.length, 1, 'once')
  t.equal(lines.length, 1)
})
