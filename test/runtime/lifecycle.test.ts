import { test } from 'tap'
import { Lifecycle } from '../../runtime/lifecycle.ts'
import { sleep } from '../../runtime/retry.ts'
import { handleSignals } from '../../runtime/signals.ts'
import { quietObservability } from '../../runtime/observability.ts'

const { log } = quietObservability()

test('releases run last opened first, each once, even when one fails', async (t) => {
  const lifecycle = new Lifecycle({ log })
  const order: string[] = []
  lifecycle.onClose('first', () => { order.push('first') })
  lifecycle.onClose('bad', () => { order.push('bad'); throw new Error('bad') })
  lifecycle.onClose('last', async () => { order.push('last') })
  const closing = lifecycle.close()
  t.equal(lifecycle.close(), closing)
  await t.rejects(closing, AggregateError)
  t.same(order, ['last', 'bad', 'first'])
  t.ok(lifecycle.stopping.aborted)
})

test('what is opened after the end is released at once', async (t) => {
  const lifecycle = new Lifecycle({ log })
  await lifecycle.close()
  await new Promise<void>((resolve) => lifecycle.onClose('late', () => resolve()))
  t.pass('released')
})

test('when the grace period is over the hard signal aborts, and who ignores it is left behind', async (t) => {
  const lifecycle = new Lifecycle({ log, graceMs: 20, abandonAfterMs: 20 })
  let released = false
  lifecycle.onClose('below', () => { released = true })
  lifecycle.onClose('hangs', () => new Promise(() => {}))
  lifecycle.onClose('obeys', (hard) => new Promise((resolve) => hard.addEventListener('abort', () => resolve())))
  await t.rejects(lifecycle.close(), { errors: [{ message: /hangs did not stop in time/ }] })
  t.ok(released, 'the rest is still released')
})

test('first signal soft, second hard, third leaves', async (t) => {
  const lifecycle = new Lifecycle({ log })
  const exits: number[] = []
  const restore = handleSignals({ lifecycle, log, exit: (code) => exits.push(code) })
  t.teardown(restore)
  process.emit('SIGTERM', 'SIGTERM')
  process.emit('SIGTERM', 'SIGTERM') // the echo of one key press under npm
  t.ok(lifecycle.stopping.aborted)
  t.notOk(lifecycle.hard.aborted, 'an echo does not cut the draining short')
  await lifecycle.stopRequested()
  process.emit('SIGINT', 'SIGINT')
  t.ok(lifecycle.hard.aborted)
  t.same(exits, [])
  await sleep(350)
  process.emit('SIGINT', 'SIGINT')
  t.same(exits, [130])
})
