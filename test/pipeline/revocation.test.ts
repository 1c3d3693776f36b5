// `pulsegate certs revoke` on a running Pulsegate: live sessions end at every broker, the device does not come back, not with a ticket, not
// after a restart; others do not notice. Two real brokers: one reads the folder in which is revoked, the other has a copy
// from before and hears of it through Redis.
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { generate } from 'mqtt-packet'
import { test, type Test } from 'tap'
import { choosePort } from '../../proof/parts/port.ts'
import { program, type Program } from '../../proof/parts/program.ts'
import { migrate } from '../../ingest/migrate.ts'
import { pemBytes } from '../../runtime/pem.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { connectDevice, telemetry, type TestDevice } from '../fixtures/mqtt-device.ts'
import { createPki, type DeviceIdentity, type Pki } from '../fixtures/pki.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'
import { temporaryRedis } from '../services/redis.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

const main = fileURLToPath(new URL('./dist/cli/main.js', import.meta.resolve('#package')))
const run = promisify(execFile)

test('revoking a certificate ends its live session within seconds and keeps it out [C4]', async (t) => {
  const { connect, pki, service } = await startPulsegate(t)
  const identity = await pki.device()
  const [innocent, revoked] = await Promise.all([connect(), connect(identity)])
  await revoked.publish(telemetry(0))
  const ended = new Promise<void>((resolve) => { revoked.client.once('close', () => { resolve() }) })
  await pki.authority.revoke(identity.id, 'keyCompromise')
  await ended
  t.equal(service.broker.stats().refused['certificate-revoked'], 1, 'counted with its reason')
  await t.rejects(connectDevice(service.url, identity.id, pki.ca, { keyPem: identity.key, certPem: identity.cert }), 'and does not get in again')
  await innocent.publish(telemetry(0))
  t.ok(innocent.client.connected)
})

interface Node { readonly broker: Program, readonly port: number, readonly url: string }

async function startBroker (t: Test, name: string, certs: string, env: Record<string, string>): Promise<Node> {
  const directory = await folder(t)
  const [port, health] = [choosePort(), { host: '127.0.0.1', port: choosePort() }]
  const args = ['broker', '--certs', certs, '--mqtt-port', String(port), '--health-port', String(health.port), '--enrolment', 'active']
  const broker = program({ name, main, args, env: { ...env, PULSEGATE_AUDIT_DIR: join(directory, 'audit') }, health, directory, log: quietObservability().log })
  t.teardown(() => broker.kill())
  await broker.start()
  return { broker, port, url: `mqtts://127.0.0.1:${port}` }
}

async function folder (t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'pulsegate-revocation-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

const device = async ({ url }: Node, { id, key, cert }: DeviceIdentity, { ca }: Pki): Promise<TestDevice> => await connectDevice(url, id, ca, { keyPem: key, certPem: cert })

/** Resolves with the ms on performance.now() at which the connection ended. */
const end = ({ client }: TestDevice): Promise<number> => new Promise((resolve) => { client.once('close', () => { resolve(performance.now()) }) })

/** A TLS connection of its own, to resume later. */
interface Ticket { readonly session: Buffer, readonly version: 'TLSv1.2' | 'TLSv1.3' }

async function ticketOf ({ port }: Node, { id, key, cert }: DeviceIdentity, ca: string, version: Ticket['version']): Promise<Ticket> {
  const socket = tlsConnect({ host: '127.0.0.1', port, servername: 'localhost', ca, key, cert, minVersion: version, maxVersion: version })
  const session = await new Promise<Buffer>((resolve, reject) => {
    socket.on('error', reject)
    socket.once('session', resolve)
    socket.once('secureConnect', () => { socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: id, clean: true, keepalive: 60 })) })
  })
  socket.destroy()
  return { session, version }
}

/** What is refused gets not one byte of MQTT. */
async function bytesFor ({ port }: Node, { id, key, cert }: DeviceIdentity, ca: string, ticket?: Ticket): Promise<number> {
  const socket: TLSSocket = tlsConnect({ host: '127.0.0.1', port, servername: 'localhost', ca, key, cert, ...(ticket && { session: ticket.session, minVersion: ticket.version, maxVersion: ticket.version }) })
  let bytes = 0
  socket.on('data', (chunk: Buffer) => { bytes += chunk.length })
  socket.on('error', () => {})
  socket.once('secureConnect', () => { socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: id, clean: true, keepalive: 60 })) })
  await new Promise((resolve) => { socket.once('close', resolve) })
  return bytes
}

test('pulsegate certs revoke: out of every broker within 2 s, refused new and resumed on TLS 1.2 and 1.3, after a restart too, and on the list [C4]', { ...needsServices, timeout: 240_000 }, async (t) => {
  const pki = await createPki(t)
  const copy = join(await folder(t), 'certs')
  await cp(pki.dir, copy, { recursive: true })
  const [redis, database] = await Promise.all([temporaryRedis(t), temporaryDatabase(t)])
  await migrate(database.url)
  const env = { DATABASE_URL: database.url, REDIS_URL: redis.url, PULSEGATE_REDIS_NAMESPACE: redis.namespace }
  const [one, two] = await Promise.all([startBroker(t, 'one', pki.dir, env), startBroker(t, 'two', copy, env)])
  const [atOne, atTwo, ticketHolder, good] = await pki.devices(Array.from({ length: 4 }, () => crypto.randomUUID())) as [DeviceIdentity, DeviceIdentity, DeviceIdentity, DeviceIdentity]
  const tickets = [await ticketOf(one, ticketHolder, pki.ca, 'TLSv1.2'), await ticketOf(one, ticketHolder, pki.ca, 'TLSv1.3'), await ticketOf(two, ticketHolder, pki.ca, 'TLSv1.2'), await ticketOf(two, ticketHolder, pki.ca, 'TLSv1.3')]
  t.ok(await resumes(one, ticketHolder, pki.ca, tickets[0] as Ticket), 'a ticket resumes while its certificate is good')
  const live = [await device(one, atOne, pki), await device(two, atTwo, pki)]
  const innocent = [await device(two, good, pki)]
  t.teardown(async () => { await Promise.all([...live, ...innocent].map((each) => each.end())) })
  const ended = Promise.all(live.map(end))
  const args = [main, 'certs', 'revoke', atOne.id, atTwo.id, ticketHolder.id, '--reason', 'keyCompromise', '--dir', pki.dir, '--json']
  const { stdout } = await run(process.execPath, args, { env: { PATH: process.env['PATH'] ?? '' } })
  const since = performance.now() // the command has said that it is done
  const outMs = (await ended).map((at) => Math.round(at - since))
  t.comment(`out ${outMs.join(' and ')} ms after the command's end`)
  t.ok(outMs.every((ms) => ms < 2_000), 'both sessions ended within 2 s')
  const { revoked } = JSON.parse(stdout) as { revoked: Array<{ serial: string }> }
  t.equal(revoked.length, 3)

  const refusedEverywhere = async (): Promise<void> => {
    for (const node of [one, two]) {
      for (const identity of [atOne, atTwo, ticketHolder]) t.equal(await bytesFor(node, identity, pki.ca), 0, `${node.broker.name} refuses a new connection`)
    }
    for (const [index, ticket] of tickets.entries()) t.equal(await bytesFor(index < 2 ? one : two, ticketHolder, pki.ca, ticket), 0, `and a resumed one, ${ticket.version}`)
  }
  await refusedEverywhere()
  await innocent[0]?.publish(telemetry(0))
  t.ok(innocent[0]?.client.connected, 'who was not revoked did not notice')
  for (const { broker } of [one, two]) {
    await broker.kill()
    await broker.start()
  }
  await refusedEverywhere()
  const list = pemBytes(await readFile(pki.files.crlFiles[0] ?? '', 'utf8'))
  t.ok(revoked.every(({ serial }) => list.includes(Buffer.from(serial, 'hex'))), 'all are on the list')
})

/** Whether the ticket is taken and the device let in. */
async function resumes ({ port }: Node, { id, key, cert }: DeviceIdentity, ca: string, { session, version }: Ticket): Promise<boolean> {
  const socket = tlsConnect({ host: '127.0.0.1', port, servername: 'localhost', ca, key, cert, session, minVersion: version, maxVersion: version })
  socket.on('error', () => {})
  socket.once('secureConnect', () => { socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: id, clean: true, keepalive: 60 })) })
  const letIn = await new Promise<boolean>((resolve) => {
    socket.once('data', () => { resolve(socket.isSessionReused()) })
    socket.once('close', () => { resolve(false) })
  })
  socket.destroy()
  return letIn
}
