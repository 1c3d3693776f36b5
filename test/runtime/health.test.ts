import { test } from 'tap'
import { Health } from '../../runtime/health.ts'
import { startHealthServer } from '../../runtime/health-server.ts'

test('ready only when every check is; a check that throws is not', async (t) => {
  const health = new Health()
  t.same(health.report(), { ready: true, checks: {} })
  health.register('broker', () => ({ ready: true }))
  const remove = health.register('database', () => ({ ready: false, reason: 'no connection for 3 s' }))
  health.register('odd', () => { throw new Error('bug') })
  t.match(health.report(), { ready: false, checks: { broker: { ready: true }, database: { reason: /no connection/ }, odd: { ready: false } } })
  remove()
  t.notOk('database' in health.report().checks)
})

test('the outside sees life, readiness with reasons, and metrics', async (t) => {
  const health = new Health()
  let ready = false
  health.register('database', () => ready ? { ready } : { ready, reason: 'stopped' })
  const server = await startHealthServer({ port: 0, health, metricsText: async () => 'pulsegate_up 1\n' })
  t.teardown(() => server.close())
  t.equal(server.address.host, '127.0.0.1')
  const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.address.port}${path}`, init)

  t.equal((await get('/healthz')).status, 200)
  const notReady = await get('/readyz')
  t.equal(notReady.status, 503)
  t.match(await notReady.json(), { ready: false, checks: { database: { reason: 'stopped' } } })
  ready = true
  t.equal((await get('/readyz')).status, 200)
  const metrics = await get('/metrics')
  t.match(metrics.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
  t.equal(await metrics.text(), 'pulsegate_up 1\n')
  t.equal((await get('/other')).status, 404)
  t.equal((await get('/metrics', { method: 'POST' })).status, 405)
})

test('an address that is taken is an error with a name', async (t) => {
  const options = { health: new Health(), metricsText: async () => '' }
  const first = await startHealthServer({ port: 0, ...options })
  t.teardown(() => first.close())
  await t.rejects(startHealthServer({ port: first.address.port, ...options }), { code: 'PORT_UNAVAILABLE', message: new RegExp(String(first.address.port)) })
})
