// Promise 2: exactly one row per reading, whatever is resent, in whatever order, however late.
import { test } from 'tap'
import { heartRate, telemetry } from '../fixtures/mqtt-device.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'

const dayMs = 86_400_000

test('whole batches resent, out of order and late by up to 7 days, are one row each', async (t) => {
  const { connect, reader, service } = await startPulsegate(t)
  const device = await connect()
  const now = Date.now()
  const messages = Array.from({ length: 140 }, (_, seq) => telemetry(seq, {
    wallMs: now - (seq % 8) * dayMs + seq * 1_000 - 200_000,
    samples: [heartRate(60 + seq % 40), heartRate(61 + seq % 40, 500)]
  }))
  const shuffled = messages.map((payload, index) => ({ payload, order: (index * 89) % 140 })).sort((a, b) => a.order - b.order)
  await Promise.all(messages.map((payload) => device.publish(payload)))
  await Promise.all(shuffled.map(({ payload }) => device.publish(payload)))
  await Promise.all([...messages].reverse().map((payload) => device.publish(payload)))

  const { rows } = await reader.query<{ samples: string, receipts: string, days: string }>(`
    SELECT (SELECT count(*) FROM sample) AS samples, (SELECT count(*) FROM receipt) AS receipts,
      (SELECT count(DISTINCT date_trunc('day', time)) FROM sample) AS days`)
  t.equal(Number(rows[0]?.samples), 280, 'two samples a message, once')
  t.equal(Number(rows[0]?.receipts), 140)
  t.ok(Number(rows[0]?.days) >= 8, 'they really are spread over a week')
  const totals = service.worker.status().totals
  t.equal(totals.stored, 140)
  t.equal(totals.duplicate, 280)
})

test('two connections of two processes cannot both store one message', async (t) => {
  const first = await startPulsegate(t)
  const second = await startPulsegate(t, { databaseUrl: first.databaseUrl })
  const id = first.pki.bad.revoked.id // any id: each side has its own certificate authority
  const one = await first.connect(await first.pki.device(id))
  const other = await second.connect(await second.pki.device(id))
  const wallMs = Date.now()
  const messages = Array.from({ length: 200 }, (_, seq) => telemetry(seq, { wallMs: wallMs + seq }))
  await Promise.all(messages.flatMap((payload) => [one.publish(payload), other.publish(payload)]))
  const { rows } = await first.reader.query<{ samples: string }>('SELECT count(*) AS samples FROM sample')
  t.equal(Number(rows[0]?.samples), 200)
  t.equal(first.service.worker.status().totals.stored + second.service.worker.status().totals.stored, 200)
})
