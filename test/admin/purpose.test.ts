// Why something is asked of the administration address: `purpose` in the body, and what becomes of it in the audit trail. Real TLS.
import { test } from 'tap'
import { type AdminRoute } from '../../admin/routes.ts'
import { textFields } from '../../admin/body.ts'
import { startAdminHouse } from '../fixtures/admin.ts'

function change (reached: unknown[]): AdminRoute {
  return {
    method: 'POST',
    path: '/v1/change/:id',
    right: 'devices:change',
    action: 'U',
    entity: ({ id = '' }) => ({ type: 'device', id }),
    async handle ({ body, purpose }) {
      const { state } = textFields(body, ['state'])
      reached.push([state, purpose])
      return {}
    }
  }
}

test('a request may say why, and the trail has it, of what failed too', async (t) => {
  const reached: unknown[] = []
  const { person, ask, events } = await startAdminHouse(t, [change(reached)])
  const alice = await person('alice', 'operator')
  t.equal((await ask(alice, 'POST', '/v1/change/x1', { state: 'active', purpose: 'ticket 4711' })).status, 200)
  t.match(events.at(-1), { type: 'admin', outcome: 'success', purpose: 'ticket 4711' })
  t.equal((await ask(alice, 'POST', '/v1/change/x1', { purpose: 'only why' })).status, 200)
  t.equal((await ask(alice, 'POST', '/v1/change/x1', { state: 'active' })).status, 200)
  t.notOk(events.at(-1)?.purpose, 'none where none was given')
  t.strictSame(reached, [['active', 'ticket 4711'], [undefined, 'only why'], ['active', undefined]], 'the route has it too, and not as one of its own fields')

  const wrong = await ask(alice, 'POST', '/v1/change/x1', { stat: 'active', purpose: 'ticket 4712' })
  t.match(wrong, { status: 400, body: { error: { code: 'REQUEST', message: /"stat" is not a field; there are: state, purpose/ } } })
  t.match(events.at(-1), { outcome: 'minor-failure', reason: 'REQUEST', purpose: 'ticket 4712' })
})

test('a purpose that is no text, empty or too long is refused before anything is done', async (t) => {
  const reached: unknown[] = []
  const { person, ask, events } = await startAdminHouse(t, [change(reached)])
  const alice = await person('alice', 'operator')
  for (const purpose of [7, null, ['why'], '', '   ', 'x'.repeat(501)]) {
    t.match(await ask(alice, 'POST', '/v1/change/x1', { state: 'active', purpose }), { status: 400, body: { error: { message: /"purpose" must be a text of 1 to 500 characters/ } } })
    t.match(events.at(-1), { outcome: 'minor-failure', reason: 'REQUEST' })
    t.notOk(events.at(-1)?.purpose)
  }
  t.strictSame(reached, [])
  t.equal((await ask(alice, 'POST', '/v1/change/x1', { purpose: 'x'.repeat(500) })).status, 200)
})
