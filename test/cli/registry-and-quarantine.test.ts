import fc from 'fast-check'
import { test } from 'tap'
import { completenessCommand } from '../../cli/completeness.ts'
import { devicesCommand } from '../../cli/devices.ts'
import { quarantineCommand } from '../../cli/quarantine.ts'
import { diagnostic, hexText } from '../../cli/cbor-text.ts'
import { ingestBench } from '../fixtures/ingest.ts'
import { type Command, runCommand } from '../fixtures/run-command.ts'
import { deliver, deliverBytes, deviceId, telemetry } from '../fixtures/deliveries.ts'

test('list, show, pair, replay and completeness, for people and for programs', async (t) => {
  const { url, start } = await ingestBench(t)
  const run = async (make: (write: (text: string) => void) => Command, ...words: string[]): Promise<string> => {
    let out = ''
    await make((text) => { out += text }).parseAsync([...words, '--database-url', url], { from: 'user' })
    return out
  }
  const { send } = start()
  await send(
    deliver(deviceId(1), telemetry(3, { header: { source: deviceId(2), boot: 9n, seq: 3 } })),
    deliver(deviceId(1), telemetry(0)), deliver(deviceId(1), telemetry(4)),
    deliverBytes(deviceId(1), 'telemetry', Buffer.from([0xff])))

  const text = await run(quarantineCommand, 'list')
  t.match(text, /not-paired/)
  t.match(text, /not-cbor/)
  const [relay] = JSON.parse(await run(quarantineCommand, 'list', '--reason', 'not-paired', '--json')) as Array<{ id: number, boot: string }>
  t.equal(relay?.boot, '9')
  t.match(await run(quarantineCommand, 'show', String(relay?.id)), /CBOR +\{0: 1, 1: h'0{8}/)
  t.match(await run(devicesCommand, 'list'), new RegExp(`${deviceId(2)} +active`))
  t.match(await run(devicesCommand, 'pair', deviceId(1), deviceId(2), '--from', '1h'), /paired with/)
  t.match(await run(quarantineCommand, 'replay', String(relay?.id)), /stored/)
  t.match(await run(quarantineCommand, 'list', '--publisher', deviceId(1)), /not-cbor/)
  for (const words of [['replay'], ['replay', '1', '--all'], ['replay', '--all', '--reason', 'not-cbor'], ['replay', 'x'], ['list', '--limit', '0']]) {
    t.match(await runCommand(quarantineCommand, ...words, '--database-url', url), { code: 2, err: /error: / }, words.join(' '))
  }
  t.match(await runCommand(quarantineCommand, 'reasons', '--database-url', url), { code: 0, out: /not-cbor +1 +The bytes are not one well-formed[^]*1 in quarantine/ })
  const broken = JSON.parse(await run(quarantineCommand, 'list', '--json')) as Array<{ id: number }>
  const dry = await runCommand(quarantineCommand, 'replay', '--all', '--dry-run', '--json', '--database-url', url)
  t.match(dry, { code: 1, err: '' }, 'some stay')
  t.match(JSON.parse(dry.out), { event: 'done', dryRun: true, total: 1, quarantined: 1, reasons: { 'not-cbor': 1 } })
  t.match(JSON.parse(await run(quarantineCommand, 'show', String(broken[0]?.id), '--json')), { payload: 'ff', diagnostic: /a break where none belongs/, meaning: /well-formed/ })
  await t.rejects(run(devicesCommand, 'pair', deviceId(77), deviceId(1)), { code: 'DEVICE_UNKNOWN' }, 'a gateway must have been seen')
  t.match(await run(devicesCommand, 'pair', deviceId(1), deviceId(78)), /paired with/)
  t.match(await run(devicesCommand, 'list'), new RegExp(`${deviceId(78)} +active`), 'a relayed sensor never connects: pairing registers it')

  t.match(await run(completenessCommand, deviceId(1)), /0\.\.4 +2 +3 +0 +1\.\.3/)
  const { boots } = JSON.parse(await run(completenessCommand, deviceId(1), '--json')) as { boots: unknown[] }
  t.match(boots[0], { boot: '1', received: 2, missingCount: 3, missing: [{ first: 1, last: 3 }] })
  t.match(await run(devicesCommand, 'retire', deviceId(3)), /retired/)
  t.match(await run(devicesCommand, 'list'), new RegExp(`${deviceId(3)} +retired`))
})

test('the diagnostic notation shows what is there and where reading stops', async (t) => {
  const shown = (hex: string): string => diagnostic(Buffer.from(hex, 'hex'))
  t.equal(shown('a2000102f6'), '{0: 1, 2: null}')
  t.equal(shown('8318ff3903e7fb3ff8000000000000'), '[255, -1000, 1.5]')
  t.equal(shown('83f93e00f97e00fa40000000'), '[1.5, NaN, 2.0]', 'a float is told from an integer')
  t.equal(shown('84f5f7e6f8ff'), '[true, undefined, simple(6), simple(255)]')
  t.equal(shown('d84d4401020304'), "77(h'01020304')")
  t.equal(shown('9f01bf0203ff5f41aa41bbffff'), "[_ 1, {_ 2: 3}, (_ h'aa', h'bb')]")
  t.equal(shown('8261616161'), '["a", "a"]')
  t.equal(shown('62c328'), "(text that is not UTF-8: h'c328')")
  t.equal(shown('63616263f5'), '"abc" … 1 more bytes follow at byte 4')
  t.equal(shown('a3000107820143ab'), '{0: 1, 7: [1, … (not readable as CBOR from byte 6: 3 bytes are announced, 1 are there)')
  t.match(shown('9b7fffffffffffffff'), /^\[ … \(not readable as CBOR from byte 9: cut short\)$/)
  t.match(shown('81'.repeat(64)), /nested more than 16 deep/)
  t.match(shown('ff'), /byte 0: a break where none belongs/)
  t.match(shown('1c'), /no such length/)
  t.match(shown(''), /from byte 0: cut short/)
  // whatever the bytes: it ends, and never throws
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => diagnostic(Buffer.from(bytes)).length > 0), { numRuns: 2_000 })
})

test('the hex dump shows offsets, bytes and what is printable', async (t) => {
  t.equal(hexText(Buffer.from('0123456789abcdef\x00\xffz', 'latin1')),
    '00000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n' +
    `00010  ${'00 ff 7a'.padEnd(47)}  ..z\n`)
})
