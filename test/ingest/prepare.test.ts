import { test } from 'tap'
import { Lookup } from '../../ingest/lookup.ts'
import { prepare } from '../../ingest/prepare.ts'
import { decodeMessage } from '../../schemas/decode.ts'
import { ingestBench, retentionMs } from '../fixtures/ingest.ts'
import { deliver, deviceId, telemetry } from '../fixtures/deliveries.ts'

test('a message on which the decoder throws goes to quarantine alone; the others of its batch are prepared', async (t) => {
  const { database } = await ingestBench(t)
  const envelopes = [0, 1, 2].map((seq) => deliver(deviceId(1), telemetry(seq)).envelope)
  const poison = envelopes[1]!.payload
  const fault = new TypeError('holds a value of the payload')
  const faults: unknown[] = []
  const batch = await prepare(envelopes, {
    lookup: new Lookup(database),
    retentionMs,
    onDecoderFault: (error) => { faults.push(error) },
    decode (kind, payload) {
      if (payload === poison) throw fault
      return decodeMessage(kind, payload)
    }
  })
  t.strictSame(Array.from(batch.columns.seq.subarray(0, batch.columns.messages)), [0, 2])
  t.match(batch.quarantined, [{ reason: 'decoder-fault', detail: 'TypeError', payload: poison, publisher: deviceId(1) }])
  t.equal(batch.quarantined.length, 1)
  t.strictSame(faults, [fault], 'and somebody hears of it')
})
