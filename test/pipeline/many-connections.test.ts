// Many at once, and the unfriendly: a thousand devices over mutual TLS, one that floods and never reads its acknowledgements,
// one that announces 60 MB and never finishes. Pulsegate runs in a process of its own, so that its memory is its own.
import { once } from 'node:events'
import { connect as tlsConnect, type TLSSocket } from 'node:tls'
import { generate } from 'mqtt-packet'
import { type Test, test } from 'tap'
import { defaultLimits, type Limits } from '../../broker/limits.ts'
import { sleep } from '../../runtime/retry.ts'
import { createPki, type DeviceIdentity, type Pki } from '../fixtures/pki.ts'
import { connectDevice, telemetry } from '../fixtures/mqtt-device.ts'
import { type PulsegateProcess, startProcess } from '../fixtures/pulsegate-process.ts'
import { testServeOptions } from '../fixtures/serve-options.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'
import { uplinkTopic } from '../../schemas/topics.ts'
import { openDatabase } from '../../ingest/database.ts'

const mebibyte = 1024 * 1024

interface Setup { pki: Pki, process: PulsegateProcess, databaseUrl: string }

async function setUp (t: Test, limits: Partial<Limits> = {}): Promise<Setup> {
  const pki = await createPki(t)
  const { url: databaseUrl } = await temporaryDatabase(t)
  const process = await startProcess(t, { ...testServeOptions(pki.dir, databaseUrl), limits })
  return { pki, process, databaseUrl }
}

/** A metric of the process, summed over its labels. */
async function metric ({ health }: PulsegateProcess, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${health.port}/metrics`)).text()
  const values = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`)).map((line) => Number(line.split(' ').at(-1)))
  if (values.length === 0) throw new Error(`there is no metric ${name}`) // or a bound would hold for want of a number
  return values.reduce((sum, value) => sum + value, 0)
}

const rss = (process: PulsegateProcess): Promise<number> => metric(process, 'process_resident_memory_bytes')

/** A TLS connection with CONNECT sent and CONNACK read, for a client that then does as it likes. */
async function rawDevice ({ pki, process }: Setup, { id, key, cert }: DeviceIdentity): Promise<TLSSocket> {
  const { port } = new URL(process.url)
  const socket = tlsConnect({ host: '127.0.0.1', port: Number(port), ca: pki.ca, key, cert })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: id, keepalive: 60 }))
  await once(socket, 'data')
  return socket
}

test('a thousand devices connect at once over mutual TLS, and each gets its message stored', { timeout: 300_000 }, async (t) => {
  // on a busy machine a thousand handshakes may take longer than one device is usually given
  const { pki, process, databaseUrl } = await setUp(t, { connectTimeoutMs: 120_000, admitTimeoutMs: 60_000 })
  const identities = await pki.devices(Array.from({ length: 1_000 }, (_, index) => `00000000-0000-8000-8000-${String(index).padStart(12, '0')}`))
  const before = await rss(process)
  const devices = await Promise.all(identities.map(({ id, key, cert }) =>
    connectDevice(process.url, id, pki.ca, { keyPem: key, certPem: cert }, { connectTimeout: 120_000 })))
  t.teardown(() => Promise.all(devices.map((device) => device.end())).then(() => {}))
  t.equal(await metric(process, 'pulsegate_broker_sessions'), 1_000)
  await Promise.all(devices.map((device) => device.publish(telemetry(0))))
  const database = openDatabase(databaseUrl)
  const { rows } = await database.query<{ devices: string }>('SELECT count(DISTINCT device) AS devices FROM reading')
  await database.close()
  t.equal(Number(rows[0]?.devices), 1_000)
  const perDevice = (await rss(process) - before) / 1_000
  t.comment(`${Math.round(perDevice / 1024)} KiB of memory a device`)
  t.ok(perDevice < 256 * 1024, 'and costs a bounded amount of memory')
})

test('a connection that floods and never reads its acknowledgements is paused: memory stays bounded, others are served [C7]', { timeout: 120_000 }, async (t) => {
  const setup = await setUp(t)
  const { pki, process, databaseUrl } = setup
  const flooder = await pki.device()
  const socket = await rawDevice(setup, flooder)
  t.teardown(() => { socket.destroy() })
  socket.pause() // never reads again
  const before = await rss(process)
  const database = openDatabase(databaseUrl)
  t.teardown(() => database.close())
  let written = 0
  // nothing can be stored meanwhile, so what is taken stays unacknowledged
  await database.transaction(async (client) => {
    await client.query('LOCK TABLE receipt IN EXCLUSIVE MODE')
    t.ok(await stalls(socket, () => {
      const seq = written++
      return generate({ cmd: 'publish', topic: uplinkTopic(flooder.id, 'telemetry'), payload: telemetry(seq), qos: 1, messageId: seq % 65_535 + 1, dup: false, retain: false })
    }), 'in the end it can send no more', { written })
    t.equal(await metric(process, 'pulsegate_broker_connections_paused'), 1, 'its socket is not read')
    t.ok(await metric(process, 'pulsegate_broker_in_flight_messages') <= defaultLimits.maxInFlightMessages, 'what was taken of it is bounded')
    t.ok(await metric(process, 'pulsegate_broker_messages_received_total') <= defaultLimits.maxInFlightMessages, 'the rest waits at the sender')
  })
  const { key, cert, id } = await pki.device()
  const other = await connectDevice(process.url, id, pki.ca, { keyPem: key, certPem: cert })
  await other.publish(telemetry(0))
  await other.end()
  const grown = (await rss(process) - before) / mebibyte
  t.ok(grown < 100, 'memory stays bounded', { grownMiB: grown, written })
})

/** Writes packets until the peer has taken nothing for a second; false when it took all of 64 MiB, more than any buffer of the kernel. */
async function stalls (socket: TLSSocket, packet: () => Buffer): Promise<boolean> {
  for (let bytes = 0; bytes < 64 * mebibyte;) {
    const next = packet()
    bytes += next.length
    if (socket.write(next)) continue
    const drained = new Promise<boolean>((resolve) => { socket.once('drain', () => { resolve(false) }) })
    if (await Promise.race([drained, sleep(1_000).then(() => true)])) return true
  }
  return false
}

test('60 MB of an unfinished packet are refused at the header, before and after CONNECT [C7]', { timeout: 120_000 }, async (t) => {
  const setup = await setUp(t)
  const { pki, process } = setup
  const before = await rss(process)
  // fixed header of a PUBLISH (3) and of a CONNECT (1) with a remaining length of 62,914,560
  const header = (type: number): Buffer => Buffer.from([type << 4, 0x80, 0x80, 0x80, 0x1e])
  for (const early of [false, true]) {
    const device = await pki.device()
    const { port } = new URL(process.url)
    const socket = early
      ? tlsConnect({ host: '127.0.0.1', port: Number(port), ca: pki.ca, key: device.key, cert: device.cert })
      : await rawDevice(setup, device)
    socket.on('error', () => {})
    if (early) await once(socket, 'secureConnect')
    socket.resume()
    const closed = new Promise((resolve) => { socket.once('close', resolve) })
    socket.write(header(early ? 1 : 3))
    const chunk = Buffer.alloc(mebibyte)
    for (let sent = 0; sent < 60 && !socket.destroyed; sent++) {
      if (!socket.write(chunk)) await Promise.race([new Promise((resolve) => { socket.once('drain', resolve) }), closed])
    }
    await closed
    t.pass(early ? 'refused before CONNECT' : 'refused after CONNECT')
  }
  const grown = (await rss(process) - before) / mebibyte
  t.ok(grown < 64, 'nothing of it was kept', { grownMiB: grown })
  t.ok(await metric(process, 'pulsegate_broker_refused_total') >= 2, 'and it is counted')
})
