// What the EST server does about those who ask too much or say too little, and about files that change while it runs.
import { rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { test } from 'tap'
import { startEst } from '../../fixtures/est.ts'
import { type DeviceIdentity } from '../../fixtures/pki.ts'

/** Not events.once: that rejects on 'error', and a reset is one way of closing. */
async function closed (socket: Socket): Promise<string> {
  return await new Promise((resolve) => { socket.once('close', () => { resolve('out') }) })
}

test('an address that asks too much is told when to come again', async (t) => {
  const { ask, enrol, events } = await startEst(t, { limits: { rate: { burst: 12, perSecond: 0.001, refusalCost: 10 } } })
  t.equal((await ask('cacerts')).status, 200)
  t.equal((await enrol('simpleenroll')).status, 401, 'a refusal costs as much as eleven requests')
  const late = await ask('cacerts')
  t.equal(late.status, 429)
  t.ok(Number(late.headers['retry-after']) >= 1)
  for (let n = 0; n < 5; n++) t.equal((await ask('cacerts')).status, 429)
  t.equal(events.filter(({ reason }) => reason === 'rate').length, 1, 'told once, not six times')
})

test('connections that say nothing, or never end what they say, are closed; too many of one address are not taken', async (t) => {
  const { server, ask, pki } = await startEst(t, { limits: { handshakeTimeoutMs: 300, requestTimeoutMs: 1_000, maxConnectionsPerAddress: 3 } })
  const silent = connect(server.address.port, '127.0.0.1')
  const slow = tlsConnect({ host: '127.0.0.1', port: server.address.port, servername: 'localhost', ca: pki.ca })
  for (const socket of [silent, slow]) socket.on('error', () => {}).resume()
  slow.write('POST /.well-known/est/simpleenroll HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/pkcs10\r\ncontent-length: 100\r\n\r\nMII')
  await Promise.all([closed(silent), closed(slow)])
  t.equal((await ask('cacerts')).status, 200)
  const held = Array.from({ length: 4 }, () => tlsConnect({ host: '127.0.0.1', port: server.address.port, servername: 'localhost', ca: pki.ca }).on('error', () => {}))
  const outcomes = await Promise.all(held.map((socket) => Promise.race([new Promise((resolve) => { socket.once('secureConnect', () => { resolve('in') }) }), closed(socket)])))
  t.equal(outcomes.filter((outcome) => outcome === 'out').length, 1)
  for (const socket of held) socket.destroy()
})

test('a server certificate that is renewed is used without a restart; faulty files leave the old ones in use', async (t) => {
  const { server, ask, pki } = await startEst(t)
  const serial = async (): Promise<string> => await new Promise((resolve, reject) => {
    const socket = tlsConnect({ host: '127.0.0.1', port: server.address.port, servername: 'localhost', ca: pki.ca }, () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber ?? '')
      socket.destroy()
    }).on('error', reject)
  })
  const before = await serial()
  await pki.authority.issueServer(['localhost', '127.0.0.1'])
  await server.reloadCertificates()
  t.not(await serial(), before)
  const now = await serial()
  await rm(pki.authority.paths.serverKey)
  await t.rejects(server.reloadCertificates(), { code: 'TLS_FILE_MISSING' })
  t.equal(await serial(), now)
  t.equal((await ask('cacerts')).status, 200)
  t.match(server.check(), { ready: true })
})

test('a stop lets a request under way end, and does not wait for those who say nothing', async (t) => {
  const { server, pki } = await startEst(t)
  const sockets = [connect(server.address.port, '127.0.0.1'), tlsConnect({ host: '127.0.0.1', port: server.address.port, servername: 'localhost', ca: pki.ca })]
  for (const socket of sockets) socket.on('error', () => {}).resume()
  await new Promise<void>((resolve) => { sockets[1]?.once('secureConnect', () => { resolve() }) })
  const begunMs = performance.now()
  await server.close(AbortSignal.timeout(200))
  t.ok(performance.now() - begunMs < 5_000)
  t.match(server.check(), { ready: false })
  for (const socket of sockets) socket.destroy()
})

test('a device that shows its certificate is limited by itself, not by its address: strangers and other devices there cost it nothing', async (t) => {
  const { ask, enrol, pki, events } = await startEst(t, { limits: { rate: { burst: 5, perSecond: 0.001, refusalCost: 10 }, deviceRate: { burst: 6, perSecond: 0.001, refusalCost: 1 } } })
  const [good, endless] = [await pki.device(), await pki.device()]
  while ((await ask('cacerts', { identity: pki.bad.foreignCa })).status !== 429); // a bad neighbour behind the same address
  t.equal((await enrol('simpleenroll')).status, 429)
  for (let n = 0; n < 3; n++) t.equal((await enrol('simplereenroll', { identity: endless })).status, 200)
  const statuses = [...Array<number>(5)].map(async () => (await enrol('simplereenroll', { identity: endless })).status)
  t.ok((await Promise.all(statuses)).includes(429), 'who renews without end is told to wait')
  t.match(events.filter(({ reason }) => reason === 'rate').at(-1), { detail: { claims: endless.id } })
  t.equal((await enrol('simplereenroll', { identity: good })).status, 200, 'and nobody else')
  t.equal((await ask('cacerts', { identity: good })).status, 200)
  const before = (await pki.authority.show(endless.id)).length
  t.equal((await enrol('simplereenroll', { identity: endless })).status, 429)
  t.equal((await pki.authority.show(endless.id)).length, before)
})

test('whoever holds an older certificate of a device does not keep it from renewing, nor does what was just issued have a limit of its own', async (t) => {
  const { enrol, pki, events } = await startEst(t, { limits: { deviceRate: { burst: 3, perSecond: 0.001, refusalCost: 1 } } })
  const { id } = await pki.device()
  const [older, newer] = [pki.aged(id, 6), pki.aged(id, 4)] // both end in a day
  const spend = async (identity: DeviceIdentity): Promise<number> => {
    for (let issued = 0; ; issued++) if ((await enrol('simplereenroll', { identity })).status !== 200) return issued
  }
  t.equal(await spend(older), 3)
  t.match(events.at(-1), { reason: 'rate', detail: { claims: id } })
  t.equal(await spend(newer), 3, 'one whose renewal is due has a limit of its own')
  const [first, second] = [await pki.device(id), await pki.device(id)]
  t.strictSame([await spend(first), await spend(second)], [3, 0], 'those that were just issued have one together')
  t.equal(await spend(await pki.device()), 3, 'another device has its own')
})
