import { test } from 'tap'
import { createDirectQueue } from '../../queue/direct.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { queueBehaviour } from './behaviour.ts'
import { sender } from '../fixtures/envelopes.ts'

test('the direct queue', (t) => {
  queueBehaviour(t, 'handled', (limits) => createDirectQueue(limits, quietObservability()))
  t.end()
})

test('a lone message is handed out without waiting for its age', async (t) => {
  const queue = createDirectQueue({ maxAgeMs: 60_000 }, quietObservability())
  const sent = sender()
  const consuming = queue.consume(async () => {})
  queue.accept(sent.envelope())
  await sent.untilHandled(() => queue.depth.messages === 0)
  t.strictSame(sent.outcomes, [[null]])
  await queue.close()
  await consuming
})

test('messages that come within one turn of the event loop go as one batch', async (t) => {
  const queue = createDirectQueue({}, quietObservability())
  const sent = sender()
  const sizes: number[] = []
  const consuming = queue.consume(async ({ envelopes }) => { sizes.push(envelopes.length) })
  for (let i = 0; i < 300; i++) queue.accept(sent.envelope())
  await queue.close()
  await consuming
  t.strictSame(sizes, [300])
})

test('holding many messages costs no more per message than holding few', async (t) => {
  const queue = createDirectQueue({ maxMessages: 100 }, quietObservability())
  const sent = sender()
  for (let i = 0; i < 50_000; i++) queue.accept(sent.envelope(0))
  let handled = 0
  const consuming = queue.consume(async ({ envelopes }) => { handled += envelopes.length })
  await queue.close()
  await consuming
  t.equal(handled, 50_000)
})

test('a message that must go alone is a batch of its own', async (t) => {
  const queue = createDirectQueue({}, quietObservability())
  const sent = sender()
  const sizes: number[] = []
  for (let i = 0; i < 5; i++) queue.accept(i === 2 ? { ...sent.envelope(), alone: true } : sent.envelope())
  const consuming = queue.consume(async ({ envelopes }) => { sizes.push(envelopes.length) })
  await queue.close()
  await consuming
  t.strictSame(sizes, [2, 1, 2])
})
