import { test } from 'tap'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureDevelopmentAuthority } from '../../../certs/development.ts'
import { choosePort } from '../../../proof/parts/port.ts'
import { program } from '../../../proof/parts/program.ts'
import { quietObservability } from '../../../runtime/observability.ts'
import { testFolder } from '../../fixtures/folder.ts'
import { temporaryRedis } from '../../services/redis.ts'
import { needsServices } from '../../services/skip.ts'

const main = fileURLToPath(import.meta.resolve('#package')).replace(/package\.json$/, 'dist/cli/main.js')
const { log } = quietObservability()

test('a real broker as a process: asked over HTTP, frozen, killed, and up again at the same place', needsServices, async (t) => {
  if (!existsSync(main)) throw new Error('this test runs the compiled program: `npm run build` first')
  const directory = testFolder(t)
  const certs = join(directory, 'certs')
  await ensureDevelopmentAuthority(certs, ['localhost', '127.0.0.1'])
  const { url, namespace } = await temporaryRedis(t)
  const health = { host: '127.0.0.1', port: choosePort() }
  const broker = program({
    name: 'broker-1',
    main,
    args: ['broker'],
    // nobody listens for the database: the broker runs without being ready
    env: {
      REDIS_URL: url,
      PULSEGATE_REDIS_NAMESPACE: namespace,
      DATABASE_URL: `postgres://nobody@127.0.0.1:${choosePort()}/none`,
      PULSEGATE_CERTS: certs,
      PULSEGATE_AUDIT_DIR: join(directory, 'audit'),
      PULSEGATE_MQTT_PORT: String(choosePort()),
      PULSEGATE_HEALTH_PORT: String(health.port)
    },
    health,
    directory: join(directory, 'broker-1'),
    log,
    standsWhen: 'healthz'
  })
  t.teardown(() => broker.kill())
  t.same([broker.running, broker.pid, broker.ended, broker.lastEnd, await broker.residentBytes()], [false, null, null, null, null])
  await t.rejects(broker.readyz(), 'nothing there to answer')
  await broker.start()
  const first = broker.pid
  const { ready, reasons } = await broker.readyz()
  t.equal(ready, false)
  t.ok(reasons.length > 0, reasons.join('; '))
  t.ok(((await broker.metrics()).get('process_resident_memory_bytes') ?? 0) > 10_000_000)
  t.ok((await broker.residentBytes() ?? 0) > 10_000_000)

  await broker.freeze()
  t.equal(broker.running, true)
  await t.rejects(broker.readyz(), 'one that stands still does not answer')
  await broker.thaw()
  await broker.readyz()

  await broker.kill()
  t.same(await broker.ended, { code: null, signal: 'SIGKILL' })
  t.same(broker.lastEnd, { code: null, signal: 'SIGKILL' })
  t.equal(broker.running, false)

  broker.setEnv({ PULSEGATE_FAIL_POINTS: 'no-such-point' })
  await t.rejects(broker.start(), { code: 'PROOF_PART_FAILED', message: /broker-1 ended at once \(exit 78\)[^]*no-such-point/ })
  broker.setEnv({ PULSEGATE_FAIL_POINTS: undefined })
  await broker.start()
  t.not(broker.pid, first)
  t.equal(broker.lastEnd, null)
  await broker.stop()
  t.same(broker.lastEnd, { code: 0, signal: null })
  t.match(await broker.logTail(50), /"msg":/)
})
