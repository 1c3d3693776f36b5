import { test } from 'tap'
import { completenessCommand } from '../../cli/completeness.ts'
import { devicesCommand } from '../../cli/devices.ts'
import { quarantineCommand } from '../../cli/quarantine.ts'
import { diagnostic } from '../../cli/cbor-text.ts'
import { ingestBench } from '../fixtures/ingest.ts'
import { deliver, deliverBytes, deviceId, telemetry } from '../fixtures/deliveries.ts'

test('list, show, pair, replay and completeness, for people and for programs', async (t) => {
  const { url, start } = await ingestBench(t)
  const run = async (make: typeof devicesCommand, ...words: string[]): Promise<string> => {
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
  t.match(await run(devicesCommand, 'pair', deviceId(1), deviceId(2), '--from', '1h'), /speaks for/)
  t.match(await run(quarantineCommand, 'replay', String(relay?.id)), /stored/)
  t.match(await run(quarantineCommand, 'list', '--publisher', deviceId(1)), /not-cbor/)
  await t.rejects(run(quarantineCommand, 'replay'), { code: 'CONFIG_INVALID' })
  await t.rejects(run(devicesCommand, 'pair', deviceId(77), deviceId(1)), { code: 'DEVICE_UNKNOWN' }, 'a gateway must have been seen')
  t.match(await run(devicesCommand, 'pair', deviceId(1), deviceId(78)), /speaks for/)
  t.match(await run(devicesCommand, 'list'), new RegExp(`${deviceId(78)} +active`), 'a relayed sensor never connects: pairing registers it')

  t.match(await run(completenessCommand, deviceId(1)), /0\.\.4 +2 +3 +0 +1\.\.3/)
  const { boots } = JSON.parse(await run(completenessCommand, deviceId(1), '--json')) as { boots: unknown[] }
  t.match(boots[0], { boot: '1', received: 2, missingCount: 3, missing: [{ first: 1, last: 3 }] })
  await run(devicesCommand, 'state', deviceId(3), 'retired')
  t.match(await run(devicesCommand, 'list'), new RegExp(`${deviceId(3)} +retired`))
})

test('the diagnostic notation shows what is there and where reading stops', async (t) => {
  const shown = (hex: string): string => diagnostic(Buffer.from(hex, 'hex'))
  t.equal(shown('a2000102f6'), '{0: 1, 2: null}')
  t.equal(shown('8318ff3903e7fb3ff8000000000000'), '[255, -1000, 1.5]')
  t.equal(shown('d84d4401020304'), "77(h'01020304')")
  t.equal(shown('63616263f5'), '"abc" … 1 more bytes follow at byte 4')
  t.equal(shown('9fff'), '[_ ]')
  t.match(shown('9b7fffffffffffffff'), /not readable/)
  t.match(shown('81'.repeat(64)), /not readable/)
  t.match(shown(''), /from byte 0/)
})
