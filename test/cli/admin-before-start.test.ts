// --admin-port where nobody could get in: said before anything is opened or made, with a command that helps. No database, no Redis.
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { certsCommand } from '../../cli/certs.ts'
import { serve } from '../../cli/serve.ts'
import { serveBroker } from '../../cli/serve-broker.ts'
import { Health } from '../../runtime/health.ts'
import { startHealthServer } from '../../runtime/health-server.ts'
import { Lifecycle } from '../../runtime/lifecycle.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { createPki } from '../fixtures/pki.ts'
import { testServeOptions } from '../fixtures/serve-options.ts'

const admin = { host: '127.0.0.1', port: 0 }
const nowhere = 'postgres://nobody@127.0.0.1:1/none'

function context (t: Test) {
  const observability = quietObservability()
  const lifecycle = new Lifecycle({ log: observability.log })
  t.teardown(() => lifecycle.close())
  return { lifecycle, observability, metricsText: async () => '' }
}

test('`up` on a fresh folder makes nothing, and names the command with the folder', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'pulsegate-fresh-'))
  t.teardown(() => rm(data, { recursive: true, force: true }))
  const certs = join(data, 'certs')
  const options = { ...testServeOptions(data, nowhere), certs, keys: {}, admin }
  await t.rejects(serve(options, context(t)), { code: 'CERTS_OPERATORS_MISSING', message: `pulsegate certs operator <name> --role operator --dir ${certs}`, entry: { exit: 78, remedy: /certs operator/ } })
  t.strictSame(await readdir(data), [], 'no key, no certificate, no database')

  await certsCommand(() => {}).parseAsync(['operator', 'alice', '--role', 'operator', '--dir', certs], { from: 'user' })
  await t.rejects(serve(options, context(t)), { code: 'DATABASE_UNREACHABLE' }, 'the command helps: the next thing is looked at')
})

test('a broker says it before it waits for Redis', async (t) => {
  const pki = await createPki(t)
  const health = new Health()
  const healthServer = await startHealthServer({ host: '127.0.0.1', port: 0, health, metricsText: async () => '' })
  t.teardown(() => healthServer.close())
  const starting = serveBroker({
    databaseUrl: nowhere, redisUrl: 'redis://127.0.0.1:1', redis: {} as Parameters<typeof serveBroker>[0]['redis'], certs: pki.dir, auditDir: join(pki.dir, 'trail'), mqtt: admin, enrolment: 'active', limits: {}, admin
  }, { ...context(t), health, healthServer })
  await t.rejects(starting, { code: 'CERTS_OPERATORS_MISSING', message: pki.dir })
  t.notOk((await readdir(pki.dir)).includes('trail'))
})
