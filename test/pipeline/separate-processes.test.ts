// `pulsegate broker` and `pulsegate ingest` as an operator starts them: compiled, processes of their own, over a real Redis and a real
// TimescaleDB. What PUBACK means here, what a database that is away means for devices, how they refuse and how they stop.
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'
import { openDatabase } from '../../ingest/database.ts'
import { choosePort } from '../../proof/parts/port.ts'
import { type Program, program } from '../../proof/parts/program.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { testMasterKey } from '../fixtures/master-key.ts'
import { birth, connectDevice, telemetry } from '../fixtures/mqtt-device.ts'
import { createPki, type Pki } from '../fixtures/pki.ts'
import { ownRedis, temporaryRedis } from '../services/redis.ts'
import { ownServer } from '../services/server.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

const main = fileURLToPath(new URL('./dist/cli/main.js', import.meta.resolve('#package')))
const { log } = quietObservability()

interface Ended { readonly code: number, readonly stdout: string, readonly stderr: string }

function run (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { env: { PATH: process.env['PATH'] ?? '', ...env }, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

async function folder (t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'pulsegate-separate-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

interface Halves { readonly broker: Program, readonly ingest: Program, readonly url: string }

async function startHalves (t: Test, pki: Pki, env: Record<string, string>): Promise<Halves> {
  const directory = await folder(t)
  const port = choosePort()
  const start = async (name: string, more: string[], standsWhen: 'healthz' | 'readyz'): Promise<Program> => {
    const health = { host: '127.0.0.1', port: choosePort() }
    const part = program({ name, main, args: [name, '--health-port', String(health.port), ...more], env: { ...env, PULSEGATE_MASTER_KEY: testMasterKey, PULSEGATE_AUDIT_DIR: join(directory, 'audit') }, health, directory, log, standsWhen })
    t.teardown(() => part.kill())
    await part.start()
    return part
  }
  return {
    ingest: await start('ingest', [], 'readyz'),
    broker: await start('broker', ['--certs', pki.dir, '--mqtt-port', String(port), '--enrolment', 'active'], 'readyz'),
    url: `mqtts://127.0.0.1:${port}`
  }
}

test('PUBACK means fsynced in Redis: it comes although the database is away, and the row follows when it is back [C16]', { ...needsServices, timeout: 180_000 }, async (t) => {
  const pki = await createPki(t)
  const [redis, server] = await Promise.all([temporaryRedis(t), ownServer(t)])
  const { broker, ingest, url } = await startHalves(t, pki, { DATABASE_URL: server.url, REDIS_URL: redis.url, PULSEGATE_REDIS_NAMESPACE: redis.namespace })
  const { id, key, cert } = await pki.device()
  const device = await connectDevice(url, id, pki.ca, { keyPem: key, certPem: cert })
  t.teardown(() => device.end())
  await device.publish(birth(0), 'birth')
  await device.publish(telemetry(1))
  await server.stop()
  for (let seq = 2; seq < 12; seq++) await device.publish(telemetry(seq))
  t.pass('acknowledged while there is no database')
  await eventually(t, 'the worker says why it is not ready', async () => {
    const { ready, reasons } = await ingest.readyz()
    return !ready && reasons.some((reason) => reason.startsWith('database:'))
  })
  const readiness = await broker.readyz()
  t.ok(readiness.ready, 'the broker goes on')
  t.match(readiness.checks['redis'], { ready: true, detail: { writing: 'closed', durable: true } })
  await server.start()
  const reader = openDatabase(server.url, { applicationName: 'test reader', poolSize: 1 })
  t.teardown(() => reader.close())
  const count = async (): Promise<number> => Number((await reader.query('SELECT count(*) FROM receipt').catch(() => ({ rows: [{ count: 0 }] }))).rows[0]?.['count'])
  await eventually(t, 'every message is a receipt, once', async () => await count() === 12)
  const metrics = await ingest.metrics()
  t.equal(metrics.get('pulsegate_circuit_breaker_state{target="database"}'), 0)
  await broker.stop()
  await ingest.stop()
  t.strictSame([broker.lastEnd?.code, ingest.lastEnd?.code], [0, 0], 'SIGTERM ends both in order')
})

test('SIGTERM while the database stands still: within the grace period, in order, and nothing is lost by it', { ...needsServices, timeout: 180_000 }, async (t) => {
  const pki = await createPki(t)
  const [redis, server] = await Promise.all([temporaryRedis(t), ownServer(t)])
  const { ingest, url } = await startHalves(t, pki, { DATABASE_URL: server.url, REDIS_URL: redis.url, PULSEGATE_REDIS_NAMESPACE: redis.namespace, PULSEGATE_GRACE: '1s' })
  const { id, key, cert } = await pki.device()
  const device = await connectDevice(url, id, pki.ca, { keyPem: key, certPem: cert })
  t.teardown(() => device.end())
  await device.publish(telemetry(0))
  const reader = openDatabase(server.url, { applicationName: 'test reader', poolSize: 1 })
  t.teardown(() => reader.close())
  const count = async (): Promise<number> => Number((await reader.query('SELECT count(*) FROM receipt')).rows[0]?.['count'])
  await eventually(t, 'the first is stored', async () => await count() === 1)
  await server.freeze()
  for (let seq = 1; seq < 5; seq++) await device.publish(telemetry(seq))
  await ingest.stop() // SIGKILL would follow, and show as its signal
  t.match(ingest.lastEnd, { code: 0, signal: null })
  await server.thaw()
  await ingest.start()
  await eventually(t, 'the others are stored by the next process', async () => await count() === 5)
})

test('a device that comes to another broker leaves the first; a suspended one leaves both', { ...needsServices, timeout: 120_000 }, async (t) => {
  const pki = await createPki(t)
  const [redis, { url: databaseUrl }] = await Promise.all([temporaryRedis(t), temporaryDatabase(t)])
  const env = { DATABASE_URL: databaseUrl, REDIS_URL: redis.url, PULSEGATE_REDIS_NAMESPACE: redis.namespace }
  const one = await startHalves(t, pki, env)
  const two = await startHalves(t, pki, env)
  const { id, key, cert } = await pki.device()
  const first = await connectDevice(one.url, id, pki.ca, { keyPem: key, certPem: cert })
  const gone = new Promise<void>((resolve) => { first.client.once('close', () => { resolve() }) })
  const second = await connectDevice(two.url, id, pki.ca, { keyPem: key, certPem: cert })
  await gone
  t.pass('displaced')
  await second.publish(telemetry(0))
  const out = new Promise<void>((resolve) => { second.client.once('close', () => { resolve() }) })
  const state = await run(['devices', 'suspend', id], env)
  t.equal(state.code, 0, state.stderr)
  await out
  t.pass('suspended: its session is ended')
  await t.rejects(connectDevice(one.url, id, pki.ca, { keyPem: key, certPem: cert }), 'and refused at the other broker')
})

test('what is missing or weak is said with what to do, and the exit code is that of configuration', { ...needsServices, timeout: 300_000 }, async (t) => {
  const weak = await ownRedis(t, { appendfsync: 'everysec' })
  const [{ dir: certs }, directory] = [await createPki(t), await folder(t)]
  const { url: databaseUrl } = await temporaryDatabase(t)
  for (const command of ['broker', 'ingest']) {
    const help = await run([command, '--help'])
    t.equal(help.code, 0)
    t.match(help.stdout, /--redis-url[\s\S]*--allow-weak-durability[\s\S]*Examples:/)
    t.match(await run([command]), { code: 78, stderr: /REDIS_REQUIRED[\s\S]*REDIS_URL[\s\S]*pulsegate up/ })
    t.match(await run([command], { REDIS_URL: weak.url }), { code: 78, stderr: /DATABASE_URL/ })
    t.match(await run([command, '--health-port', '0', '--lease', 'soon'], { REDIS_URL: weak.url, DATABASE_URL: databaseUrl }), { code: 78, stderr: /--lease.*a duration such as 20s/ })
    const refused = await run([command, '--health-port', '0'], { REDIS_URL: weak.url, DATABASE_URL: databaseUrl, PULSEGATE_DATA: directory, ...(command === 'ingest' ? { PULSEGATE_MASTER_KEY: testMasterKey } : { PULSEGATE_CERTS: certs }) })
    t.match(refused, { code: 78, stderr: /REDIS_NOT_DURABLE.*set `appendfsync always`[\s\S]*--allow-weak-durability/ })
  }
  const noCerts = await run(['broker', '--health-port', '0', '--mqtt-port', '0', '--data', await folder(t), '--allow-weak-durability'], { REDIS_URL: weak.url, DATABASE_URL: databaseUrl })
  t.match(noCerts, { code: 78, stderr: /TLS_FILE_MISSING.*server\.key/ })
})

test('ingest does not start without a master key, or with one that others can read; a Redis elsewhere is not spoken to in the clear [C14] [C15]', { ...needsServices, timeout: 60_000 }, async (t) => {
  const masterKey = join(await folder(t), 'master.key')
  const [{ dir: certs }, directory] = [await createPki(t), await folder(t)]
  const env = { REDIS_URL: 'redis://127.0.0.1:1', DATABASE_URL: 'postgres://127.0.0.1:1/x', PULSEGATE_MASTER_KEY: masterKey, PULSEGATE_CERTS: certs, PULSEGATE_DATA: directory }
  t.match(await run(['ingest', '--health-port', '0'], env), { code: 78, stderr: new RegExp(`MASTER_KEY_MISSING: there is no master key at ${masterKey}[^]*pulsegate keys init`) })
  t.match(await run(['keys', 'init', '--master-key', masterKey]), { code: 0 })
  await chmod(masterKey, 0o640)
  t.match(await run(['ingest', '--health-port', '0'], env), { code: 78, stderr: new RegExp(`SECRET_FILE_EXPOSED[^]*chmod 0600 '${masterKey}'`) })
  await chmod(masterKey, 0o600)
  for (const command of ['ingest', 'broker']) {
    t.match(await run([command, '--health-port', '0'], { ...env, REDIS_URL: 'redis://192.0.2.77' }), { code: 78, stderr: /REDIS_PLAIN_REFUSED/ }, command)
  }
  const secret = join(await folder(t), 'redis-url')
  await writeFile(secret, 'redis://:c4n4ry@192.0.2.77', { mode: 0o644 })
  const exposed = await run(['ingest', '--health-port', '0'], { ...env, REDIS_URL: '', REDIS_URL_FILE: secret })
  t.match(exposed, { code: 78, stderr: new RegExp(`REDIS_URL_FILE: ${secret} has mode 0644`) })
  t.notMatch(exposed.stderr, 'c4n4ry')
})

test('up over Redis: the ledger and the database agree, everything in Redis is handled before it compares', { ...needsServices, timeout: 120_000 }, async (t) => {
  const [redis, { url: databaseUrl }] = await Promise.all([temporaryRedis(t), temporaryDatabase(t)])
  const { code, stdout, stderr } = await run(['up', '--data', await folder(t), '--mqtt-port', '0', '--health-port', '0', '--est-port', '0', '--for', '5s', '--rate', '20', '--json'],
    { REDIS_URL: redis.url, DATABASE_URL: databaseUrl, PULSEGATE_REDIS_NAMESPACE: redis.namespace })
  t.equal(code, 0, stderr.slice(-500))
  const result = JSON.parse(stdout) as { acknowledged: number, stored: number, missing: number, duplicates: number }
  t.match(result, { missing: 0, duplicates: 0 })
  t.ok(result.acknowledged > 100 && result.stored >= result.acknowledged)
})

async function eventually (t: Test, what: string, reached: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 30_000; !await reached();) {
    if (Date.now() > deadline) { t.fail(`in vain: ${what}`); return }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.pass(what)
}
