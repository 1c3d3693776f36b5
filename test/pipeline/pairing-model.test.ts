// Whose readings become rows, against an independent model: a gateway sends for itself and for others, paired, once paired, not yet
// paired, never paired, suspended, unknown. Whatever the rules do not allow lies in quarantine with its bytes, and there is no row of it.
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { telemetry } from '../fixtures/mqtt-device.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'

const hourMs = 3_600_000
const sources = ['self', 'paired', 'suspended', 'unpaired', 'unknown', 'formerly', 'other'] as const

interface Sent { readonly source: typeof sources[number], readonly hoursAgo: number }

/** Design part 4: the source is the publisher, or an active device paired with it at that time. The pairings are those made below. */
function stored ({ source, hoursAgo }: Sent): boolean {
  switch (source) {
    case 'self': return true
    case 'paired': return hoursAgo < 2
    case 'formerly': return hoursAgo < 3 && hoursAgo > 1
    default: return false
  }
}

test('a relayed message becomes a row exactly when its source is active and paired with the publisher at its time [C6]', { timeout: 300_000 }, async (t) => {
  const running = await startPulsegate(t)
  const { registry } = running.service
  const [gateway, elsewhere] = [await running.connect(), await running.connect()]
  const ids: Record<Sent['source'], string> = { self: gateway.id, paired: randomUUID(), suspended: randomUUID(), unpaired: randomUUID(), unknown: randomUUID(), formerly: randomUUID(), other: randomUUID() }
  const now = Date.now()
  await registry.register([{ id: ids.unpaired }])
  await registry.pair(gateway.id, ids.paired, now - 2 * hourMs)
  await registry.pair(gateway.id, ids.suspended, now - 10 * hourMs)
  await registry.setState(ids.suspended, 'suspended')
  await registry.pair(gateway.id, ids.formerly, now - 3 * hourMs)
  await registry.pair(elsewhere.id, ids.formerly, now - hourMs)
  await registry.pair(elsewhere.id, ids.other, now - 10 * hourMs)
  let seq = 0
  const counts = { stored: 0, kept: 0 }
  const sending = fc.record({ source: fc.constantFrom(...sources), hoursAgo: fc.double({ min: 0.01, max: 5, noNaN: true }).filter((hours) => [1, 2, 3].every((edge) => Math.abs(hours - edge) > 0.001)) })
  await fc.assert(fc.asyncProperty(fc.array(sending, { minLength: 1, maxLength: 12 }), async (all) => {
    const messages = all.map((sent) => {
      const header = { ...(sent.source !== 'self' && { source: ids[sent.source] }), boot: 1n, seq: seq++, baseWallMs: Math.round(now - sent.hoursAgo * hourMs), baseTickMs: 5 }
      return { sent, seq: header.seq, payload: telemetry(0, { header }) }
    })
    await Promise.all(messages.map(({ payload }) => gateway.publish(payload)))
    for (const message of messages) {
      const { rows: receipts } = await running.reader.query('SELECT FROM receipt JOIN device ON device.key = receipt.device WHERE device.id = $1 AND seq = $2', [ids[message.sent.source], message.seq])
      const { rows: kept } = await running.reader.query<{ reason: string }>('SELECT reason FROM quarantine WHERE publisher = $1 AND seq = $2', [gateway.id, message.seq])
      const may = stored(message.sent)
      counts[may ? 'stored' : 'kept']++
      if (receipts.length !== Number(may) || kept.length !== Number(!may)) throw new Error(`${JSON.stringify(message.sent)}: ${receipts.length} receipts, ${kept.length} in quarantine`)
    }
  }), { numRuns: 60, endOnFailure: true })
  t.ok(counts.stored > 20 && counts.kept > 20, JSON.stringify(counts))
  const { rows } = await running.reader.query<{ devices: string[] }>('SELECT array_agg(DISTINCT device::text) AS devices FROM reading')
  t.strictSame(new Set(rows[0]?.devices), new Set([ids.self, ids.paired, ids.formerly]), 'and no reader sees any other')
  const { rows: unknown } = await running.reader.query('SELECT FROM device WHERE id = $1', [ids.unknown])
  t.equal(unknown.length, 0, 'an unknown source does not become a device')
})
