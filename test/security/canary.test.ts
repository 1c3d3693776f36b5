// Canaries everywhere an outsider or an operator can put something, the real program at its most talkative, and a search through
// everything that comes out of it: log, metrics, readiness, traces, error texts, the output of commands, and what is left of a crash.
import { randomUUID } from 'node:crypto'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { test, type Test } from 'tap'
import { openAuthority } from '../../certs/authority.ts'
import { ensureDevelopmentAuthority } from '../../certs/development.ts'
import { authorityPaths } from '../../certs/files.ts'
import { openDatabase, type Database } from '../../ingest/database.ts'
import { encodeBirth, encodeTelemetry } from '../../schemas/encode.ts'
import { RawClient } from '../fixtures/broker.ts'
import { testFolder } from '../fixtures/folder.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'
import { type Canary, findLeaks, keyCanaries, numberCanary, textCanary } from './canaries.ts'
import { administrationSecrets, enrolmentSecrets, makePeople, sealedSecrets } from './protected-secrets.ts'

const main = new URL('./dist/cli/main.js', import.meta.resolve('#package')).pathname
const hook = new URL('./test/security/crash-hook.mjs', import.meta.resolve('#package')).href

/** What was pushed to a collector of traces and metrics. */
async function collector (t: Test): Promise<{ url: string, bodies: Buffer[] }> {
  const bodies: Buffer[] = []
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => { bodies.push(chunk) })
    request.on('end', () => { response.setHeader('content-type', 'application/json').end('{}') })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies }
}

/** A database whose login has a canary for its password. */
async function canaryDatabase (t: Test, password: string): Promise<{ url: string, owner: Database }> {
  const { url } = await temporaryDatabase(t)
  const owner = openDatabase(url)
  const login = `canary_${randomUUID().slice(0, 8)}`
  await owner.query(`CREATE ROLE ${login} LOGIN SUPERUSER PASSWORD '${password}'`)
  t.teardown(async () => {
    await owner.query(`DROP OWNED BY ${login}; DROP ROLE ${login}`)
    await owner.close()
  })
  const own = new URL(url)
  own.username = login
  own.password = password
  return { url: own.href, owner }
}

interface Program { readonly output: () => string, readonly mqtt: number, readonly health: number, readonly est: string, readonly admin: string, crash (): Promise<void> }

async function startUp (t: Test, data: string, env: Record<string, string>): Promise<Program> {
  await ensureDevelopmentAuthority(join(data, 'certs'), ['localhost', '127.0.0.1', '::1'])
  await makePeople(data)
  const child = spawn(process.execPath, ['--import', hook, `--report-directory=${data}`, main, 'up', '--no-simulator', '--data', data, '--mqtt-port', '0', '--health-port', '0', '--est-port', '0', '--admin-port', '0', '--log-level', 'trace'],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'] ?? '', ...env } })
  t.teardown(() => { child.kill('SIGKILL') })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString('latin1') })
  await new Promise<void>((resolve, reject) => {
    child.once('close', () => { reject(new Error(`it ended before it was up: ${output.slice(-2_000)}`)) })
    // the last line of what people are told of addresses; the log line came before it
    child.stdout.on('data', () => { if (/^admin +https:.*\n/m.test(output) && output.includes('"msg":"pulsegate is up"')) resolve() })
  })
  const { mqtt, health } = JSON.parse(output.split('\n').find((line) => line.includes('"msg":"pulsegate is up"')) ?? '{}') as { mqtt: string, health: AddressInfo }
  return {
    output: () => output,
    mqtt: Number(new URL(mqtt).port),
    health: health.port,
    est: addressIn(output, /^enrolment +(https:\/\/[^/]+)/m),
    admin: addressIn(output, /^admin +(https:\/\/[^/]+)/m),
    crash: async () => {
      child.kill('SIGUSR2')
      if (child.exitCode === null) await once(child, 'close')
    }
  }
}

function addressIn (output: string, line: RegExp): string {
  const [, address] = line.exec(output) ?? []
  if (address === undefined) throw new Error(`no ${line.source} in what it said`)
  return address
}

/** The device's connection, not CONNECTed yet. */
async function device (t: Test, data: string, port: number, id: string): Promise<RawClient> {
  const authority = await openAuthority(join(data, 'certs'))
  const { keyPem, chainPem } = await authority.issueDevice(id)
  const client = new RawClient(tlsConnect({ host: '127.0.0.1', port, servername: 'localhost', ca: readFileSync(authority.paths.ca), key: keyPem, cert: chainPem }), id)
  t.teardown(() => { client.socket.destroy() })
  await Promise.race([once(client.socket, 'secureConnect'), client.closed])
  return client
}

const page = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()

test('no canary planted anywhere comes out of the program, its commands, its traces or its crash [C9]', { ...needsServices, timeout: 540_000 }, async (t) => {
  const password = textCanary('password of the database')
  const [login, topic, wild, clientId, willText, bad, unknown, serial, subject, redis, wrong] = [
    textCanary('password in CONNECT'), textCanary('topic'), textCanary('filter'), textCanary('client id'), textCanary('will'), textCanary('payload that is no message'),
    textCanary('text in a payload'), textCanary('serial number'), textCanary('pseudonym of a subject'), textCanary('password of Redis'), textCanary('wrong password')
  ] as [Canary, ...Canary[]] & Canary[]
  const [stored, refused] = [numberCanary('value that is stored'), numberCanary('value that the database refuses')]
  const text = (canary: Canary | undefined) => canary?.bytes.toString() ?? ''
  const data = join(testFolder(t), 'data')
  const { url, owner } = await canaryDatabase(t, text(password))
  const traces = await collector(t)
  const program = await startUp(t, data, { DATABASE_URL: url, OTEL_EXPORTER_OTLP_ENDPOINT: traces.url })
  // PostgreSQL would say: "Failing row contains (…)"
  await owner.query(`ALTER TABLE sample ADD CONSTRAINT planted CHECK (value <> ${refused.value})`)

  const id = randomUUID()
  const client = await device(t, data, program.mqtt, id)
  client.send(client.connect({ username: 'someone', password: Buffer.from(text(login)), will: { topic: `v1/${id}/result`, payload: willText?.bytes ?? Buffer.alloc(0), qos: 1, retain: false } } as object))
  await client.next('connack')
  await owner.query("INSERT INTO assignment (device, subject, period) SELECT key, $2, tstzrange(now() - INTERVAL '1 day', NULL) FROM device WHERE id = $1", [id, text(subject)])
  const message = (seq: number, value: number) => encodeTelemetry({ header: { boot: 1n, seq, baseTickMs: 1_000, baseWallMs: Date.now() }, samples: [{ metric: 1, dtMs: 0, value, quality: 0 }], waves: [], flags: 0 })
  const withText = message(3, 1)
  withText[0] = (withText[0] ?? 0) + 1 // one pair more
  const payloads = [
    encodeBirth({ header: { boot: 1n, seq: 0, baseTickMs: 0, baseWallMs: Date.now() }, deviceKind: 'ecg-patch', model: 'm', firmware: 'f', serial: text(serial) }),
    message(1, stored.value), message(2, refused.value),
    Buffer.concat([withText, Buffer.from([0x18, 0x64, 0x78, unknown?.bytes.length ?? 0]), unknown?.bytes ?? Buffer.alloc(0)]), bad?.bytes ?? Buffer.alloc(0)
  ]
  for (const [index, payload] of payloads.entries()) client.send(client.publish(index + 1, Buffer.from(payload), { topic: `v1/${id}/${index === 0 ? 'birth' : 'telemetry'}` }))
  await client.acked(payloads.length)
  const { rows } = await owner.query<{ reason: string }>('SELECT reason FROM quarantine ORDER BY reason')
  t.strictSame(rows.map(({ reason }) => reason).sort(), ['data-error', 'not-a-map'], 'the canaries were really there')
  t.equal((await owner.query('SELECT FROM sample WHERE value::text LIKE $1', [`%${String(stored.value).slice(0, 4)}%`])).rowCount, 1, 'and one was stored')
  client.send(client.publish(9, 'x', { topic: `v1/${id}/${text(topic)}` }))
  await client.closed
  for (const hello of [{ clientId: text(clientId) }, {}]) {
    const other = await device(t, data, program.mqtt, id)
    other.send(other.connect(hello))
    if (await other.next('connack').then(({ returnCode }) => returnCode !== 0, () => true)) continue
    other.send(Buffer.from([0x82, 4 + 1 + text(wild).length, 0, 1, 0, text(wild).length]), Buffer.from(text(wild)), Buffer.from([1]))
    await other.next('suback')
    other.socket.destroy()
  }
  // a login whose password is wrong, and servers that are not there
  const away = (...words: string[]) => {
    const { stdout, stderr } = spawnSync(process.execPath, [main, ...words], { encoding: 'latin1', timeout: 60_000, env: { PATH: process.env['PATH'] ?? '', DATABASE_URL: url } })
    return stdout + stderr
  }
  const wrongUrl = new URL(url)
  wrongUrl.password = text(wrong)
  const outputs: Record<string, string | Buffer> = {
    '/metrics': await page(program.health, '/metrics'),
    '/readyz': await page(program.health, '/readyz'),
    '/healthz': await page(program.health, '/healthz'),
    'an unknown page': await page(program.health, `/${text(topic).slice(0, 3)}`),
    'quarantine list': away('quarantine', 'list', '--json') + away('quarantine', 'list'),
    'devices list': away('devices', 'list', '--json').replaceAll(text(serial), '(the serial number, which it is for)'),
    completeness: away('completeness', id, '--json'),
    'certs list': away('certs', 'list', '--dir', join(data, 'certs'), '--json'),
    doctor: away('doctor', '--data', data, '--redis-url', `redis://:${text(redis)}@127.0.0.1:9`),
    'doctor --security': away('doctor', '--security', '--json', '--data', data, '--redis-url', `redis://:${text(redis)}@127.0.0.1:9`),
    'migrate, wrong password': away('migrate', '--database-url', wrongUrl.href, '--log-level', 'trace'),
    'ingest, no Redis': away('ingest', '--redis-url', `redis://:${text(redis)}@127.0.0.1:9`, '--redis-timeout', '300ms', '--health-port', '0', '--log-level', 'trace'),
    'faults of the configuration': away('up', '--database-url', `mysql://u:${text(wrong)}@x/y`, '--redis-url', `http://u:${text(redis)}@x`)
  }
  const place = { data, away }
  const sealed = sealedSecrets(place, id)
  t.match(sealed.opened, String(stored.value).slice(0, 4), 'what is sealed holds the value')
  const enrolled = await enrolmentSecrets(place, program.est)
  t.strictSame(enrolled.statuses, { 'EST, token as a path': 404, 'EST, token as bearer': 401, 'EST, token as user': 400, 'EST, token as content type': 415, 'EST, token': 200, 'EST, token used again': 401 })
  const asked = await administrationSecrets(place, program.admin, id)
  t.strictSame(asked.statuses, {
    whoami: 200, status: 200, devices: 200, 'devices, no such state': 400, state: 400, command: 409, 'command, no JSON': 400, 'command, no hex': 400, 'disconnect, no id': 400, disconnect: 200, pardon: 200, 'no such page': 404, audit: 200
  })
  Object.assign(outputs, sealed.outputs, enrolled.outputs, asked.outputs, { 'audit list': away('audit', 'list', '--json', '--limit', '1000', '--data', data) })
  const secrets = [sealed, enrolled, asked].flatMap(({ canaries }) => canaries)
  t.ok(secrets.every(({ bytes }) => bytes.length >= 20), 'each secret is there')
  await program.crash()
  outputs['log'] = program.output()
  outputs['traces and metrics pushed'] = Buffer.concat(traces.bodies)
  outputs['diagnostic report'] = readFileSync(join(data, 'report.json'))
  t.match(outputs['log'], /a fault nobody handled/, 'it crashed')
  t.match(outputs['log'], /data error|quarantined|not-a-map/, 'the log tells of bad messages')
  for (const [name, output] of Object.entries(outputs)) t.ok(output.length > 1, `${name}: something came out`)

  const paths = authorityPaths(join(data, 'certs'))
  const keys = [paths.rootKey, paths.issuingKey, paths.serverKey, join(paths.devices, `${id}.key`)].flatMap((path) => keyCanaries(path.slice(data.length), readFileSync(path, 'utf8')))
  // a client id that was claimed is logged when it is refused: it is how the device called itself, and the only trace of who tried
  const texts = [password, login, topic, wild, willText, bad, unknown, serial, subject, redis, wrong].filter((canary) => canary !== undefined)
  const canaries = [...texts, stored, refused, ...keys, ...secrets]
  t.strictSame(findLeaks(canaries, outputs), [])
  // the search itself: each canary, planted in each output, is found there and nowhere else
  for (const canary of canaries) {
    const planted = Object.entries(outputs).filter(([name, output]) => findLeaks([canary], { [name]: Buffer.concat([Buffer.from(output), canary.bytes]) }).length !== 1)
    t.strictSame(planted, [], `${canary.place}: planted, it is found in every output`)
  }
})

test('a canary that is leaked on purpose is found, in each form it may take [C9]', { ...needsServices, timeout: 120_000 }, async (t) => {
  const canary = textCanary('leaked')
  const text = canary.bytes.toString()
  for (const form of [text, canary.bytes.toString('hex').toUpperCase(), canary.bytes.toString('base64'), Buffer.from(`x${text}y`).toString('base64'), Buffer.from(`xy${text}`).toString('base64')]) {
    t.equal(findLeaks([canary], { log: `before ${form} after` }).length, 1, form)
  }
  t.strictSame(findLeaks([canary], { log: textCanary('another').bytes.toString() }), [])
  const data = join(testFolder(t), 'data')
  const { url } = await canaryDatabase(t, text)
  const program = await startUp(t, data, { DATABASE_URL: url, CANARY_TO_LEAK: text })
  await program.crash()
  t.match(findLeaks([canary], { log: program.output() }), [{ place: 'leaked', output: 'log', as: 'text' }], 'by the real program')
})
