import { test } from 'tap'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { examine, renderFindings } from '../../cli/doctor.ts'
import { type DoctorConfig, type Finding } from '../../cli/doctor-finding.ts'
import { checkNode } from '../../cli/doctor-machine.ts'
import { checkCertificates, lifeOf } from '../../cli/doctor-certificates.ts'
import { checkEncryption } from '../../cli/doctor-keys.ts'
import { checkRedis } from '../../cli/doctor-redis.ts'
import { ownRedis } from '../services/redis.ts'
import { needsServices } from '../services/skip.ts'
import { makeMasterKey } from '../../ingest/keys/master-key-file.ts'
import { ensureDevelopmentAuthority } from '../../certs/development.ts'
import { issueOperator } from '../../certs/operators.ts'
import { Health } from '../../runtime/health.ts'
import { startHealthServer } from '../../runtime/health-server.ts'
import { agedOperatorLists } from '../fixtures/admin.ts'
import { testFolder } from '../fixtures/folder.ts'

const base = { redisNamespace: 'pulsegate', redisTimeoutMs: 2_000, keyServiceTimeoutMs: 2_000, mqttHost: '127.0.0.1', mqttPort: 0, healthHost: '127.0.0.1', healthPort: 0 }
const find = (findings: Finding[], name: string) => findings.find((finding) => finding.name === name)

test('a machine where nothing has been started yet is fine', async (t) => {
  const findings = await examine({ ...base, data: join(testFolder(t), 'new') })
  t.same(findings.filter(({ name, status }) => status === 'fail' && name !== 'disk'), [])
  t.match(find(findings, 'data folder'), { detail: /will be made/ })
  t.match(find(findings, 'database'), { detail: /embedded PostgreSQL/ })
  t.match(renderFindings(findings), /^✓ Node /)
})

test('a port in use is named with what to do, unless a Pulsegate holds it', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const mqttPort = (other.address() as AddressInfo).port
  const config = { ...base, mqttPort, data: testFolder(t) } as DoctorConfig
  const taken = await examine(config)
  t.match(find(taken, 'MQTT port'), { status: 'fail', detail: /EADDRINUSE/, todo: /--mqtt-port/ })
  t.match(renderFindings(taken), /✗ MQTT port .*\n +→ stop what listens there/)

  const server = await startHealthServer({ port: 0, health: new Health(), metricsText: async () => '' })
  t.teardown(() => server.close())
  const running = await examine({ ...config, healthPort: server.address.port })
  t.match(find(running, 'MQTT port'), { status: 'ok', detail: /a Pulsegate is running/ })
})

test('a master key that others can read, and a connection without encryption, are findings', async (t) => {
  const data = testFolder(t, { keys: {} })
  t.match(find(await examine({ ...base, data }), 'master key'), { status: 'ok', detail: /makes it/ })
  makeMasterKey(join(data, 'keys', 'master.key'))
  t.match(find(await examine({ ...base, data }), 'master key'), { status: 'ok', detail: /master\.key, [0-9a-f]{16}$/ })
  chmodSync(join(data, 'keys', 'master.key'), 0o644)
  t.match(find(await examine({ ...base, data }), 'master key'), { status: 'fail', detail: /chmod 0600/ })
  t.match(checkEncryption({ ...base, data, databaseUrl: 'postgres://localhost/x' }), [{ status: 'ok' }])
  t.match(checkEncryption({ ...base, data, databaseUrl: 'postgres://db/x?sslmode=disable', redisUrl: 'redis://redis?tls=off' }), [{ status: 'warn', detail: /^database and redis: not encrypted/ }])
  t.match(checkEncryption({ ...base, data, redisUrl: 'redis://redis' }), [{ status: 'fail', todo: /rediss:\/\// }])
})

test('a database that does not answer is a finding without its password', async (t) => {
  const findings = await examine({ ...base, data: testFolder(t), databaseUrl: 'postgres://u:c4n4ry@127.0.0.1:9/x' })
  t.match(find(findings, 'database'), { status: 'fail', detail: /ECONNREFUSED/, todo: /DATABASE_URL/ })
  t.notMatch(JSON.stringify(findings), 'c4n4ry')
})

test('a Redis: durable, weak with what to change, or away without its password', needsServices, async (t) => {
  const looked = async (redisUrl: string) => await checkRedis({ ...base, data: testFolder(t), redisUrl })
  const [good, weak] = await Promise.all([ownRedis(t), ownRedis(t, { appendfsync: 'everysec' })])
  t.match(await looked(good.url), [{ status: 'ok', detail: /Redis 7.*nothing has been started/ }, { status: 'ok' }])
  t.match(await looked(weak.url), [{ status: 'ok' }, { status: 'fail', todo: /appendfsync always/ }])
  const away = await looked('redis://:c4n4ry@127.0.0.1:9')
  t.match(away, [{ status: 'fail', detail: /ECONNREFUSED/, todo: /REDIS_URL/ }])
  t.notMatch(JSON.stringify(away), 'c4n4ry')
  t.strictSame(await checkRedis({ ...base, data: 'x' }), [], 'none named, none looked for')
})

test('certificates: good when fresh, and every decay is seen', async (t) => {
  const directory = testFolder(t)
  t.match(await checkCertificates(directory), [{ status: 'ok', detail: /none in/ }])
  const { paths } = await ensureDevelopmentAuthority(directory, ['localhost'])
  t.ok((await checkCertificates(directory)).every(({ status }) => status === 'ok'))

  const inTwoYears = await checkCertificates(directory, Date.now() + 730 * 86_400_000)
  t.match(find(inTwoYears, 'server certificate'), { status: 'fail', detail: /expired/ })
  t.match(find(inTwoYears, 'revocation lists'), { status: 'fail', todo: /certs crl/ })
  chmodSync(paths.serverKey, 0o644)
  t.match(find(await checkCertificates(directory), 'server key'), { status: 'fail', todo: /chmod 600/ })
  writeFileSync(paths.issuingCrl, 'garbage')
  t.match(find(await checkCertificates(directory), 'revocation lists'), { status: 'fail' })
})

test('a life has three parts: good, due, over', async (t) => {
  t.match(lifeOf(0, 9e9, 6e9, 5e9), { status: 'ok' })
  t.match(lifeOf(0, 9e9, 6e9, 7e9), { status: 'warn' })
  t.match(lifeOf(0, 9e9, 6e9, 9e9), { status: 'fail', detail: /expired/ })
  t.match(lifeOf(1, 9e9, 6e9, 0), { status: 'fail', detail: /clock/ })
})

test('Node from 20.19 on', async (t) => {
  for (const version of ['20.19.0', '22.1.0', '24.0.0']) t.equal(checkNode(version).status, 'ok')
  for (const version of ['20.18.9', '18.20.0']) t.equal(checkNode(version).status, 'fail')
})

test('the operators\' authority is looked at too, where there is one', async (t) => {
  const directory = join(testFolder(t), 'certs')
  await ensureDevelopmentAuthority(directory, ['localhost'])
  const names = ['root certificate', 'issuing certificate', 'certificates folder', 'revocation lists'].map((name) => `operators' ${name}`)
  t.same((await checkCertificates(directory)).filter(({ name }) => name.startsWith('operators')), [], 'nobody administers')
  await issueOperator(directory, { name: 'alice', role: 'operator' })
  const fresh = await checkCertificates(directory)
  for (const name of names) t.match(find(fresh, name), { status: 'ok' }, name)
  await agedOperatorLists(directory, 16)
  t.match(find(await checkCertificates(directory), "operators' revocation lists"), { status: 'warn', todo: /pulsegate certs crl --dir .*operators` .* no operator can connect/ })
  t.match(find(await checkCertificates(directory, Date.now() + 15 * 86_400_000), "operators' revocation lists"), { status: 'fail', detail: /expired/ })
  t.match(find(await checkCertificates(directory, Date.now() + 1_800 * 86_400_000), "operators' issuing certificate"), { status: 'warn', todo: /ca prepare --dir .*operators/ })
  chmodSync(join(directory, 'operators'), 0o755)
  t.match(find(await checkCertificates(directory), "operators' certificates folder"), { status: 'fail' })
})
