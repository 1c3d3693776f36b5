// What happens to devices that publish without a pause while certificates change under a broker that watches its files: lists written
// again and again, the issuing CA changed step by step and back.
import { test } from 'tap'
import { activate, prepare, retire, rollback } from '../../certs/rotation.ts'
import { keepCertificates } from '../../cli/keep-certificates.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { eventually, startTestBroker, type TestBroker } from '../fixtures/broker.ts'
import { steadyDevices } from '../fixtures/steady-devices.ts'

function watched (t: { teardown (fn: () => void): void }, { broker, pki }: TestBroker): void {
  t.teardown(keepCertificates({ paths: pki.authority.paths, broker, log: quietObservability().log }))
}

const readings = ({ log }: TestBroker): number => log.filter(({ msg }) => msg === 'certificates and revocation lists read again').length

test('lists and server certificate are read again and again: no device loses its session or a message', { timeout: 120_000 }, async (t) => {
  const running = await startTestBroker(t)
  const { pki, broker, queue } = running
  const devices = steadyDevices(running)
  for (let i = 0; i < 8; i++) await devices.add(await pki.device())
  const victims = await Promise.all((await Promise.all(Array.from({ length: 10 }, async () => await pki.device()))).map(async (identity) => ({ identity, client: await running.client(identity) })))
  for (const { identity, client } of victims) {
    await pki.authority.revoke(identity.id, 'superseded')
    await broker.reloadCertificates()
    await client.closed
    await devices.progress(2)
  }
  watched(t, running) // and by itself, as files change
  for (let i = 0; i < 3; i++) {
    const before = readings(running)
    await pki.authority.issueServer(['localhost', '127.0.0.1'])
    await pki.authority.writeCrls({ root: 'required' })
    await eventually(() => readings(running) > before, 'the broker to look')
    await devices.progress(2)
  }
  const { acknowledged, closed } = await devices.stop()
  t.equal(closed, 0, 'nobody else was disconnected')
  t.equal(broker.stats().refused['certificate-revoked'], 10)
  t.ok(acknowledged > 8 * 20)
  t.equal(queue.all.length, acknowledged, 'what was taken was acknowledged, and nothing came twice')
})

test('the issuing CA is changed step by step and back while devices of both publish; the dropped ones, and only they, leave', { timeout: 180_000 }, async (t) => {
  const running = await startTestBroker(t)
  const { pki, broker, queue } = running
  const options = { paths: pki.authority.paths }
  const devices = steadyDevices(running)
  watched(t, running)
  const trusts = async (cas: number): Promise<void> => {
    await eventually(() => broker.certificateEnds.filter(({ what, name }) => what === 'ca-certificate' && name.includes('issuing')).length === cas, `${cas} issuing CAs to be trusted`)
    await devices.progress()
  }
  const old = [await devices.add(await pki.device()), await devices.add(await pki.device())]
  await prepare(options, { newRoot: false })
  await trusts(2)
  await rollback(options, { force: false })
  await trusts(1)
  await prepare(options, { newRoot: true })
  await trusts(2)
  old.push(await devices.add(await pki.device()))
  await activate(options)
  const young = [await devices.add(await pki.device())]
  await rollback(options, { force: false })
  old.push(await devices.add(await pki.device()))
  await devices.progress()
  await activate(options)
  young.push(await devices.add(await pki.device()))
  await devices.progress()
  await eventually(() => broker.certificateEnds.some(({ what, untilMs }) => what === 'server-certificate' && untilMs > 0))
  t.ok([...old, ...young].every(({ isClosed }) => !isClosed), 'through prepare, activate and both ways back nobody was disconnected')
  t.notOk(broker.stats().refused['certificate-issuer'])

  await retire(options, { force: true })
  await Promise.all(old.map(async ({ closed }) => await closed))
  t.equal(broker.stats().refused['certificate-issuer'], old.length, 'a dropped CA\'s live sessions end')
  await devices.progress()
  const late = await running.tls(await pki.device())
  t.notOk(late.isClosed)
  await rollback(options, { force: false })
  await trusts(2)
  t.ok(young.every(({ isClosed }) => !isClosed), 'devices of the new CA never noticed')
  const { acknowledged, closed } = await devices.stop()
  t.equal(closed, old.length)
  t.ok(queue.all.length - acknowledged <= old.length, 'at most the message that each dropped device had under way is unacknowledged')
})
