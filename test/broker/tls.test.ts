// What the broker's TLS is: versions, suites, no renegotiation, no way in without it; slow and senseless peers cost bounded time; a
// certificate's end and its revocation hold during a session, for resumed sessions and after a restart.
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect as tcpConnect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { getCiphers } from 'node:tls'
import { test } from 'tap'
import { suites } from '../../runtime/tls-profile.ts'
import { eventually, startTestBroker } from '../fixtures/broker.ts'

test('of all suites this OpenSSL knows, exactly those with AEAD and an ephemeral key are taken; versions below 1.2 are not [C5]', { timeout: 120_000 }, async (t) => {
  const { broker, pki, tls } = await startTestBroker(t, { limits: { authenticationFailures: 0 } })
  const device = await pki.device()
  const offers = async (version: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2', cipher: string): Promise<string | undefined> => {
    const client = await tls(device, { minVersion: version, maxVersion: version, ciphers: `${cipher}:@SECLEVEL=0` })
    const name = client.isClosed ? undefined : client.socket.getCipher().standardName
    client.socket.destroy()
    return name
  }
  const taken: string[] = []
  for (const cipher of getCiphers().filter((name) => !name.startsWith('tls_')).map((name) => name.toUpperCase())) {
    const name = await offers('TLSv1.2', cipher).catch(() => undefined) // one that the client's OpenSSL has no more
    if (name !== undefined) taken.push(name)
  }
  t.strictSame(taken.sort(), ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256'], 'the server has an ECDSA key')
  for (const suite of suites.split(':').filter((name) => !name.startsWith('@'))) t.match(suite, /^(TLS_|ECDHE-).*(GCM|CHACHA20)/, 'no static RSA with another key either')
  const before = broker.stats().refused['tls-protocol'] ?? 0
  for (const version of ['TLSv1', 'TLSv1.1'] as const) t.equal(await offers(version, 'ALL'), undefined, version)
  await eventually(() => (broker.stats().refused['tls-protocol'] ?? 0) >= before + 2)
})

test('renegotiation is refused, and the session it was asked on is none the worse or ends [C5]', async (t) => {
  const { pki, tls, broker } = await startTestBroker(t)
  const client = await tls(await pki.device(), { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
  client.send(client.connect())
  await client.next('connack')
  const outcome = await new Promise<string>((resolve) => {
    client.socket.renegotiate({}, (error) => { resolve(error === null ? 'renegotiated' : 'refused') })
    client.socket.once('close', () => { resolve('refused') })
    client.socket.once('error', () => { resolve('refused') })
  })
  t.equal(outcome, 'refused')
  t.ok(broker.stats().sessions <= 1)
})

test('there is one listener, and who does not speak TLS to it hears nothing [C5]', async (t) => {
  const servers = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length
  const before = servers()
  const { broker, queue } = await startTestBroker(t)
  t.equal(servers(), before + 1)
  const plain = tcpConnect(broker.address.port, '127.0.0.1')
  const heard: Buffer[] = []
  plain.on('data', (chunk: Buffer) => heard.push(chunk))
  plain.on('error', () => {})
  plain.write(Buffer.from('101100044d5154540402003c0005' + Buffer.from('plain').toString('hex'), 'hex')) // CONNECT in the clear
  await once(plain, 'close')
  t.notOk(Buffer.concat(heard).includes(Buffer.from([0x20, 2, 0])), 'no CONNACK')
  t.match(broker.stats(), { refused: { 'tls-protocol': 1 }, sessions: 0, received: 0 })
  t.equal(queue.all.length, 0)
})

test('a peer that dribbles its handshake or its CONNECT is cut off in time, however busy it keeps [C7]', async (t) => {
  const { broker, pki, tls } = await startTestBroker(t, { limits: { connectTimeoutMs: 700 } })
  const hello = tcpConnect(broker.address.port, '127.0.0.1')
  hello.on('error', () => {})
  const since = performance.now()
  const slowHello = (async () => { for (let i = 0; !hello.destroyed && i < 200; i++) { hello.write(Buffer.from([[0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3][i] ?? 0])); await setTimeout(50) } })()
  const slow = await tls(await pki.device())
  const bytes = slow.connect()
  const slowConnect = (async () => { for (const byte of bytes) { if (slow.isClosed) return; slow.send(Buffer.from([byte])); await setTimeout(50) } })()
  await Promise.all([once(hello, 'close'), slow.closed])
  t.ok(performance.now() - since < 10_000)
  t.match(broker.stats().refused, { 'handshake-timeout': 1, 'connect-timeout': 1 })
  await Promise.all([slowHello, slowConnect])
})

test('random bytes, before and after CONNECT, end in a refusal and hold no memory [C7]', { timeout: 120_000 }, async (t) => {
  const { broker, pki, tls, client, queue } = await startTestBroker(t, { limits: { flappingSessions: 0, connectTimeoutMs: 2_000 } })
  const [early, late, innocent] = [await pki.device(), await pki.device(), await client(await pki.device())]
  const round = async (i: number): Promise<void> => {
    const noise = randomBytes(1 + i * 97 % 20_000)
    const a = await tls(early)
    a.send(noise)
    const b = await client(late)
    b.send(noise)
    for (const peer of [a, b]) peer.socket.end() // or one that has announced a packet would wait for the rest of it
    await Promise.all([a.closed, b.closed])
  }
  for (let i = 0; i < 10; i++) await round(i)
  const before = process.memoryUsage().arrayBuffers
  for (let i = 10; i < 80; i++) await round(i)
  t.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024)
  await eventually(() => broker.stats().connections === 1, 'all to be gone')
  innocent.send(innocent.publish(1))
  t.strictSame(await innocent.acked(1), [1])
  t.ok(queue.all.every(({ publisher }) => publisher === innocent.id), 'none of it was a message')
  t.match(broker.stats(), { inFlight: { messages: 0, bytes: 0 }, sessions: 1 })
})

test('a certificate that ends during a session ends the session, and brings nobody back, with a ticket either [C1] [C4]', async (t) => {
  const { broker, pki, tls, client, audit } = await startTestBroker(t)
  const brief = pki.aged(randomUUID(), 1, 3_000)
  const live = await client(brief)
  live.send(live.publish(1))
  await live.acked(1)
  await live.closed
  t.match(audit.at(-1), { type: 'connection', subtype: 'ended', reason: 'certificate-expired', agent: { id: brief.id } })
  for (const session of [undefined, live.session]) {
    const back = await tls(brief, session === undefined ? {} : { session })
    if (!back.isClosed) back.send(back.connect())
    await back.closed
    t.strictSame(back.packets, [])
  }
  t.equal(broker.stats().refused['certificate-expired'], 3)
})

test('a revocation holds after a restart of the broker, for fresh and for resumed handshakes [C4]', async (t) => {
  const first = await startTestBroker(t)
  const { pki } = first
  const device = await pki.device()
  const live = await first.client(device)
  await eventually(() => live.session !== undefined, 'a ticket')
  await first.broker.close({ graceMs: 1_000 })
  await pki.authority.revoke(device.id, 'keyCompromise')
  const second = await startTestBroker(t, { pki })
  for (const session of [live.session as Buffer, undefined]) {
    const back = await second.tls(device, session === undefined ? {} : { session })
    if (!back.isClosed) back.send(back.connect())
    await back.closed
    t.strictSame(back.packets, [])
  }
  t.equal(second.broker.stats().refused['certificate-revoked'], 2)
})
