import { type Test, test } from 'tap'
import { queueBehaviour } from '../behaviour.ts'
import { needsServices } from '../../services/skip.ts'
import { openTestQueue } from '../../fixtures/redis-queue.ts'

test('the queue over Redis', needsServices, (t: Test) => {
  queueBehaviour(t, 'appended', async (limits, t) => openTestQueue(t, { limits }))
  t.end()
})
