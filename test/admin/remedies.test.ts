// Every refusal of the administration address says what to do, in the shape docs/administration.md promises. Real TLS.
import { test } from 'tap'
import { type AdminRoute } from '../../admin/routes.ts'
import { loadAdminTls, startAdminHouse, type Reply } from '../fixtures/admin.ts'

const route = (path: string, handle: AdminRoute['handle']): AdminRoute =>
  ({ method: 'POST', path, right: 'devices:change', action: 'U', entity: () => ({ type: 'device', id: '1' }), handle })

test('an error of any kind has code, message and remedy', async (t) => {
  const { person, ask, pki, server } = await startAdminHouse(t, [
    route('/v1/change', async () => ({})), route('/v1/bug', async () => { throw new Error('of the inside') })
  ], { rate: { perSecond: 0.001, burst: 7 } })
  const [alice, victor] = [await person('alice', 'operator'), await person('victor', 'viewer')]
  const refused = (reply: Reply, status: number, code: string, remedy: RegExp): void => {
    t.match(reply, { status, body: { error: { code, message: /./, remedy } } }, code)
  }
  refused(await ask(victor, 'POST', '/v1/change'), 403, 'RIGHT', /certificate .*role/)
  refused(await ask(alice, 'POST', '/v1/nothing'), 404, 'PATH', /docs\/administration\.md/)
  refused(await ask(alice, 'GET', '/v1/change'), 405, 'METHOD', /POST/)
  refused(await ask(alice, 'POST', '/v1/change', '{"broken'), 400, 'REQUEST', /docs\/administration\.md/)
  refused(await ask(alice, 'POST', '/v1/change', { purpose: 'x'.repeat(200_000) }), 413, 'REQUEST', /129 KiB/)
  refused(await ask(alice, 'POST', '/v1/bug'), 500, 'INTERNAL', /x-request-id/i)
  for (const n of [6, 7]) t.equal((await ask(alice, 'POST', '/v1/change')).status, 200, String(n))
  refused(await ask(alice, 'POST', '/v1/change'), 429, 'RATE', /Retry-After/)
  // taken back since TLS looked at it
  server.replace({ ...await loadAdminTls(pki), trust: { issuers: [], revoked: new Set() } })
  refused(await ask(victor, 'POST', '/v1/change'), 403, 'CERTIFICATE', /pulsegate certs operator/)
})
