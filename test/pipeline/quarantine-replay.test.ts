// The documented path (docs/quarantine.md): a firmware bug → quarantine → a mended decoder → replay → rows. Devices publish through
// the real broker; the commands are those of the command line. At the end each message has its rows exactly once, nothing is
// missing, nothing is in quarantine, and replaying again changes nothing.
import { test, type Test } from 'tap'
import { quarantineCommand } from '../../cli/quarantine.ts'
import { completeness } from '../../ingest/completeness.ts'
import { type Database } from '../../ingest/database.ts'
import { decodeMessage, type MessageKind } from '../../schemas/decode.ts'
import { heartRate, telemetry, type TestDevice } from '../fixtures/mqtt-device.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'
import { runCommand, type CommandResult } from '../fixtures/run-command.ts'
import { needsServices } from '../services/skip.ts'

// key 5, the tick: an unsigned integer by the contract (docs/wire.md)
const tickKey = 0x05
const uint16 = 0x19
const float64 = 0xfb

/** Where key 5 is: after key 4, the wall time, and its eight bytes. */
function tickAt (payload: Buffer): number { return payload.indexOf(Buffer.from([0x04, 0x1b])) + 10 }

/** What firmware 2.0.0 sends in place of `good`: its tick as a float. */
function asFirmware2 (good: Buffer): Buffer {
  const at = tickAt(good)
  const tick = Buffer.alloc(8)
  tick.writeDoubleBE(good.readUInt16BE(at + 2))
  return Buffer.concat([good.subarray(0, at), Buffer.from([tickKey, float64]), tick, good.subarray(at + 4)])
}

/** The mended decoder: takes a whole float for a tick. */
function mendedDecode (kind: MessageKind, payload: Uint8Array): ReturnType<typeof decodeMessage> {
  const bytes = Buffer.from(payload)
  const at = tickAt(bytes)
  if (bytes[at] !== tickKey || bytes[at + 1] !== float64) return decodeMessage(kind, payload)
  const tick = Buffer.alloc(2)
  tick.writeUInt16BE(bytes.readDoubleBE(at + 2))
  return decodeMessage(kind, Buffer.concat([bytes.subarray(0, at), Buffer.from([tickKey, uint16]), tick, bytes.subarray(at + 10)]))
}

const seqs = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
const message = (seq: number): Buffer => telemetry(seq, { wallMs: startMs + seq * 1_000, samples: [heartRate(60), heartRate(61, -500)] })
const startMs = Date.now() - 3_600_000

async function stored (database: Database): Promise<{ receipts: number, samples: number, waiting: number }> {
  const { rows: [row] } = await database.query<{ receipts: number, samples: number, waiting: number }>(`
    SELECT (SELECT count(*)::int FROM receipt) AS receipts, (SELECT count(*)::int FROM sample) AS samples,
      (SELECT coalesce(sum(messages), 0)::int FROM quarantine_by_reason()) AS waiting`)
  return row as { receipts: number, samples: number, waiting: number }
}

async function setUp (t: Test): Promise<{ devices: TestDevice[], reader: Database, metrics: () => Promise<string>, run: (mended: boolean, ...words: string[]) => Promise<CommandResult> }> {
  const { connect, metrics, reader, databaseUrl } = await startPulsegate(t)
  const devices = [await connect(), await connect()]
  const run = (mended: boolean, ...words: string[]): Promise<CommandResult> =>
    runCommand((write) => quarantineCommand(write, mended ? { decode: mendedDecode } : {}), ...words, '--database-url', databaseUrl)
  return { devices, reader, metrics, run }
}

test('firmware bug → quarantine → mended decoder → replay → rows', needsServices, async (t) => {
  const { devices, reader, metrics, run } = await setUp(t)
  const [first, second] = devices as [TestDevice, TestDevice]

  // ten good messages each; an update with a bug, ten more; rolled back, ten more
  for (const device of devices) {
    await Promise.all(seqs(0, 10).map((seq) => device.publish(message(seq))))
    await Promise.all(seqs(10, 20).map((seq) => device.publish(asFirmware2(message(seq)))))
    await Promise.all(seqs(20, 30).map((seq) => device.publish(message(seq))))
  }
  // a connection that broke before the PUBACK: sent again
  await first.publish(asFirmware2(message(15)))
  // and something that no decoder will ever read
  await second.publish(Buffer.from([0xff]))

  t.strictSame(await stored(reader), { receipts: 40, samples: 80, waiting: 21 }, 'acknowledged, kept, and no row')
  t.match(await metrics(), /pulsegate_messages_total\{[^}]*reason="wrong-type"[^}]*\} 21/, 'and counted as what it is')
  for (const { id } of devices) {
    t.match((await completeness(reader, id)).find(({ boot }) => boot === 1n), { received: 20, missingCount: 10, missing: [{ first: 10, last: 19 }] }, 'its seqs cannot be read: missing')
  }

  // what is it? → how many → one of them in full
  t.match((await run(false, 'reasons')).out, /^wrong-type +20 +A value has another type[^]*^not-cbor +1 [^]*21 in quarantine$/m)
  const listed = JSON.parse((await run(false, 'list', '--where', `reason=wrong-type publisher=${first.id} since=1h`, '--json')).out) as Array<{ id: number, detail: string, times: number }>
  t.equal(listed.length, 10)
  t.strictSame(listed.map(({ times }) => times).sort(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 2])
  const shown = (await run(false, 'show', String(listed[0]?.id))).out
  t.match(shown, /^detail +a float where none may be \(byte 18\)$/m, 'where')
  t.match(shown, /^CBOR .* 5: 10\d\d\.0, /m, 'and what: a float')

  // before the decoder is mended nothing moves
  t.match(await run(false, 'replay', '--reason', 'wrong-type'), { code: 1, out: /0 stored, 0 duplicate, 20 still in quarantine[^]*wrong-type +20/ })
  t.strictSame(await stored(reader), { receipts: 40, samples: 80, waiting: 21 })

  // the version with the mended decoder: first a look, then the replay
  t.match(await run(true, 'replay', '--reason', 'wrong-type', '--dry-run'), { code: 0, out: /nothing was written: 20 messages [^]*20 would be stored, 0 are stored already, 0 would stay/ })
  t.strictSame(await stored(reader), { receipts: 40, samples: 80, waiting: 21 })
  t.match(await run(true, 'replay', '--reason', 'wrong-type'), { code: 0, out: /^20 messages in [\d.]+ s: 20 stored, 0 duplicate, 0 still in quarantine$/m })

  t.strictSame(await stored(reader), { receipts: 60, samples: 120, waiting: 1 }, 'every reading is there once')
  for (const [i, { id }] of devices.entries()) {
    const boots = await completeness(reader, id)
    t.match(boots[0], { boot: 1n, firstSeq: 0, lastSeq: 29, received: 30, missingCount: 0, missing: [], quarantined: 0 })
    t.strictSame(boots.slice(1).map(({ boot, quarantined }) => ({ boot, quarantined })), i === 0 ? [] : [{ boot: null, quarantined: 1 }], 'only what nobody can read')
  }
  const { rows } = await reader.query('SELECT count(*)::int AS samples, count(DISTINCT time)::int AS times FROM reading WHERE device = $1', [first.id])
  t.strictSame(rows, [{ samples: 60, times: 60 }], 'as a backend reads it')

  // again: nothing is selected; by number: known to be stored
  t.match(await run(true, 'replay', '--reason', 'wrong-type'), { code: 0, out: /^nothing to replay$/m })
  t.match(await run(true, 'replay', ...listed.map(({ id }) => String(id))), { code: 0, out: /0 stored, 10 duplicate, 0 still/ })
  t.match(await run(true, 'replay', '--all'), { code: 1, out: /not-cbor +1/ })
  t.strictSame(await stored(reader), { receipts: 60, samples: 120, waiting: 1 })

  // the device sends one again, still with its bug, to a worker that is not mended yet: no new entry, nothing stored twice
  await first.publish(asFirmware2(message(15)))
  t.strictSame(await stored(reader), { receipts: 60, samples: 120, waiting: 1 })
})

test('replay beside live traffic: the fleet keeps publishing, each message is stored once', needsServices, async (t) => {
  const { devices, reader, run } = await setUp(t)
  await Promise.all(devices.flatMap((device) => seqs(0, 200).map((seq) => device.publish(asFirmware2(message(seq))))))
  const live = Promise.all(devices.flatMap((device) => seqs(200, 400).map((seq) => device.publish(message(seq)))))
  // the mended firmware sends the old ones again at the same time
  const resent = Promise.all(devices.flatMap((device) => seqs(0, 100).map((seq) => device.publish(message(seq)))))
  const [{ code, out }] = await Promise.all([run(true, 'replay', '--all', '--json'), live, resent])
  t.equal(code, 0)
  const { stored: now, duplicate, quarantined } = JSON.parse(out.trim().split('\n').at(-1) ?? '') as { stored: number, duplicate: number, quarantined: number }
  t.strictSame({ sum: now + duplicate, quarantined }, { sum: 400, quarantined: 0 })
  t.strictSame(await stored(reader), { receipts: 800, samples: 1_600, waiting: 0 })
  for (const { id } of devices) t.match(await completeness(reader, id), [{ boot: 1n, received: 400, missingCount: 0, quarantined: 0 }])
})
