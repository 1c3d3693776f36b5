// What every queue promises, as one suite. An implementation's own test file calls `queueBehaviour` with a way to make a queue,
// and says when it settles: `handled` (the handler has made the batch durable), or `appended` (the queue itself is durable, and
// hands a message out again until its handler has resolved).
import { type Test } from 'tap'
import { PulsegateError } from '../../runtime/errors.ts'
import { type QueueLimits } from '../../queue/limits.ts'
import { type Batch, type Queue } from '../../queue/queue.ts'
import { gate, sender } from '../fixtures/envelopes.ts'

export type CreateQueue = (limits: Partial<QueueLimits>, t: Test) => Queue | Promise<Queue>

export function queueBehaviour (t: Test, settles: 'handled' | 'appended', create: CreateQueue): void {
  t.test('what is accepted is handed out once, in order, and settled after the handler has resolved', async (t) => {
    const queue = await create({ maxMessages: 10 }, t)
    const sent = sender()
    const seen: number[] = []
    const consuming = queue.consume(async (batch) => {
      for (const envelope of batch.envelopes) {
        const n = sent.numberOf(envelope)
        if (settles === 'handled') t.equal(sent.outcomes[n], undefined, 'not settled while it is being handled')
        seen.push(n)
      }
    })
    for (let i = 0; i < 95; i++) queue.accept(sent.envelope())
    await queue.close()
    await consuming
    t.strictSame(seen, Array.from({ length: 95 }, (_, i) => i), 'every message, in the order of acceptance')
    t.strictSame(sent.outcomes, Array.from({ length: 95 }, () => [null]), 'each settled exactly once, as durable')
    t.strictSame(queue.depth, { messages: 0, bytes: 0 })
  })

  t.test('messages of one device keep their order when two batches are handled at a time', async (t) => {
    const queue = await create({ maxMessages: 3 }, t)
    const sent = sender()
    const starts: number[] = []
    let atOnce = 0
    let most = 0
    const consuming = queue.consume(async (batch) => {
      most = Math.max(most, ++atOnce)
      starts.push(...batch.envelopes.map((envelope) => sent.numberOf(envelope)))
      await new Promise((resolve) => setImmediate(resolve))
      atOnce--
    }, { concurrency: 2 })
    for (let i = 0; i < 30; i++) queue.accept(sent.envelope())
    await queue.close()
    await consuming
    t.strictSame(starts, Array.from({ length: 30 }, (_, i) => i))
    t.equal(most, 2, 'no more than the concurrency asked for')
  })

  t.test('messages that wait are settled when they are durable, and hold up neither the others nor the next batch', async (t) => {
    const queue = await create({ maxMessages: 10 }, t)
    const sent = sender()
    const free = gate()
    const seen: number[] = []
    const late = (n: number) => n % 5 === 0
    const consuming = queue.consume(async ({ envelopes }) => {
      seen.push(...envelopes.map((envelope) => sent.numberOf(envelope)))
      return { envelopes: envelopes.filter((envelope) => late(sent.numberOf(envelope))), durable: free.opened }
    })
    for (let i = 0; i < 40; i++) queue.accept(sent.envelope())
    await sent.untilHandled(() => seen.length === 40)
    if (settles === 'handled') {
      await sent.untilHandled(() => sent.outcomes.filter((outcome) => outcome !== undefined).length === 32)
      t.strictSame([...sent.outcomes.keys()].filter((n) => sent.outcomes[n] === undefined), Array.from({ length: 8 }, (_, n) => n * 5), 'those that wait, and no other')
      t.equal(queue.depth.messages, 8, 'and they are held, in its bounds')
    }
    free.open()
    await queue.close()
    await consuming
    t.strictSame(sent.outcomes, Array.from({ length: 40 }, () => [null]), 'each settled exactly once, as durable')
    t.strictSame(queue.depth, { messages: 0, bytes: 0 })
  })

  t.test('a hard stop settles what waits, once, as not stored', { skip: settles === 'appended' && 'settled before it is handed out' }, async (t) => {
    const queue = await create({ maxMessages: 10 }, t)
    const sent = sender()
    let give: (error: Error) => void = () => {}
    const durable = new Promise<void>((_resolve, reject) => { give = reject })
    const consuming = queue.consume(async ({ envelopes }) => ({ envelopes: envelopes.slice(0, 1), durable }))
    for (let i = 0; i < 5; i++) queue.accept(sent.envelope())
    await sent.untilHandled(() => sent.outcomes[4] !== undefined)
    await queue.close(AbortSignal.abort())
    await consuming
    give(new Error('given up'))
    await new Promise((resolve) => setImmediate(resolve))
    t.match(sent.outcomes, [[{ code: 'QUEUE_CLOSED' }], [null], [null], [null], [null]])
    t.strictSame(queue.depth, { messages: 0, bytes: 0 })
  })

  t.test('no batch is over its bounds, and the trigger says why it went', async (t) => {
    const queue = await create({ maxMessages: 8, maxBytes: 1_000, maxAgeMs: 60_000 }, t)
    const sent = sender()
    const batches: Batch[] = []
    const free = gate()
    const consuming = queue.consume(async (batch) => { batches.push(batch); await free.opened })
    queue.accept(sent.envelope(10))
    await sent.untilHandled(() => batches.length === 1)
    for (let i = 0; i < 9; i++) queue.accept(sent.envelope(10))
    for (let i = 0; i < 4; i++) queue.accept(sent.envelope(400))
    queue.accept(sent.envelope(5_000))
    free.open()
    await queue.close()
    await consuming
    t.equal(batches[0]?.trigger, 'idle', 'a lone message does not wait for company')
    if (settles === 'handled') {
      t.equal(batches[1]?.trigger, 'rows')
      t.equal(batches[2]?.trigger, 'bytes')
    }
    for (const batch of batches) {
      t.ok(batch.envelopes.length <= 8, 'messages')
      t.ok(batch.bytes <= 1_000 || batch.envelopes.length === 1, 'bytes, but a single message always goes')
      t.equal(batch.bytes, batch.envelopes.reduce((sum, { payload }) => sum + payload.length, 0))
    }
    t.equal(sent.outcomes.length, 15)
    t.ok(sent.outcomes.every((calls) => calls.length === 1 && calls[0] === null))
  })

  t.test('a message that has waited long enough goes although the handler is busy with another batch', async (t) => {
    const queue = await create({ maxMessages: 1_000, maxAgeMs: 5 }, t)
    const sent = sender()
    const batches: Batch[] = []
    const free = gate()
    const consuming = queue.consume(async (batch) => { batches.push(batch); await free.opened }, { concurrency: 2 })
    queue.accept(sent.envelope())
    await sent.untilHandled(() => batches.length === 1)
    queue.accept(sent.envelope())
    await sent.untilHandled(() => batches.length === 2)
    t.equal(batches[1]?.trigger, 'age')
    free.open()
    await queue.close()
    await consuming
  })

  t.test('what does not fit is refused at once and the rest is untouched', async (t) => {
    const queue = await create({ holdMessages: 3, holdBytes: 1_000 }, t)
    const sent = sender()
    for (let i = 0; i < 4; i++) queue.accept(sent.envelope(10))
    const [full] = sent.outcomes[3] ?? []
    t.ok(full instanceof PulsegateError && full.code === 'QUEUE_FULL', 'the fourth message')
    if (settles === 'handled') t.strictSame(queue.depth, { messages: 3, bytes: 30 })
    const consuming = queue.consume(async () => {})
    await sent.untilHandled(() => queue.depth.messages === 0)
    queue.accept(sent.envelope(1_001))
    const [large] = sent.outcomes[4] ?? []
    t.ok(large instanceof PulsegateError && large.code === 'QUEUE_FULL', 'too many bytes')
    queue.accept(sent.envelope(10))
    await queue.close()
    await consuming
    t.strictSame(sent.outcomes[5], [null], 'there is room again')
  })

  t.test('what its handler rejects is settled with that error, or comes again until it is handled; the next batch goes on', async (t) => {
    const queue = await create({ maxMessages: 2 }, t)
    const sent = sender()
    const fault = new Error('gave up')
    let calls = 0
    for (let i = 0; i < 6; i++) queue.accept(sent.envelope())
    const handled = new Set<number>()
    const consuming = queue.consume(({ envelopes }) => {
      calls++
      if (calls === 1) throw fault
      if (calls === 2) return Promise.reject(fault)
      for (const envelope of envelopes) handled.add(sent.numberOf(envelope))
      return Promise.resolve()
    })
    await queue.close()
    await consuming
    const failed = settles === 'handled' ? fault : null
    t.strictSame(sent.outcomes.map(([first]) => first), [failed, failed, failed, failed, null, null])
    t.ok(sent.outcomes.every((calls) => calls.length === 1))
    t.strictSame([...handled].sort(), settles === 'handled' ? [4, 5] : [0, 1, 2, 3, 4, 5])
  })

  t.test('a settle that throws does not keep the others from being settled', async (t) => {
    const queue = await create({}, t)
    const sent = sender()
    queue.accept({ ...sent.envelope(), settle () { throw new Error('the socket is gone') } })
    queue.accept(sent.envelope())
    const consuming = queue.consume(async () => {})
    await queue.close()
    await consuming
    t.strictSame(sent.outcomes[1], [null])
  })

  t.test('after a soft close nothing is taken, and all that was held is handled first', async (t) => {
    const queue = await create({ maxMessages: 2, maxAgeMs: 60_000 }, t)
    const sent = sender()
    const batches: Batch[] = []
    for (let i = 0; i < 3; i++) queue.accept(sent.envelope())
    const consuming = queue.consume(async (batch) => { batches.push(batch) })
    const closing = queue.close()
    queue.accept(sent.envelope())
    await closing
    await consuming
    const [late] = sent.outcomes[3] ?? []
    t.ok(late instanceof PulsegateError && late.code === 'QUEUE_CLOSED')
    t.strictSame(sent.outcomes.slice(0, 3), [[null], [null], [null]])
    if (settles === 'handled') t.equal(batches.at(-1)?.trigger, 'drain')
    t.equal(batches.flatMap(({ envelopes }) => envelopes).length, 3)
    await queue.close()
    t.pass('closing twice is harmless')
  })

  t.test('a hard stop settles everything at once as closed, and the handler changes nothing afterwards', async (t) => {
    const queue = await create({ maxMessages: 1 }, t)
    const sent = sender()
    const free = gate()
    const hard = new AbortController()
    const consuming = queue.consume(async () => { await free.opened })
    for (let i = 0; i < 3; i++) queue.accept(sent.envelope())
    const closing = queue.close(hard.signal)
    t.strictSame(sent.outcomes, [], 'soft first: nothing is settled before it is handled')
    hard.abort()
    await closing
    await consuming
    free.open()
    await new Promise((resolve) => setImmediate(resolve))
    t.equal(sent.outcomes.length, 3)
    for (const calls of sent.outcomes) {
      t.equal(calls.length, 1, 'exactly once')
      const [outcome] = calls
      // what Redis had answered by then is durable, and said to be
      t.ok((outcome instanceof PulsegateError && outcome.code === 'QUEUE_CLOSED') || (settles === 'appended' && outcome === null))
    }
  })

  t.test('only one consumer at a time', async (t) => {
    const queue = await create({}, t)
    const consuming = queue.consume(async () => {})
    await t.rejects(queue.consume(async () => {}))
    await queue.close()
    await consuming
  })

  t.test('a burst never stays behind: every message of many small turns is handled without a further one arriving', async (t) => {
    const queue = await create({ maxMessages: 50, maxAgeMs: 60_000 }, t)
    const sent = sender()
    const consuming = queue.consume(async () => { await new Promise((resolve) => setImmediate(resolve)) }, { concurrency: 2 })
    for (let turn = 0; turn < 200; turn++) {
      for (let i = 0; i < turn % 7; i++) queue.accept(sent.envelope())
      if (turn % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await sent.untilHandled(() => queue.depth.messages === 0)
    t.ok(sent.outcomes.every((calls) => calls.length === 1 && calls[0] === null))
    await queue.close()
    await consuming
  })
}
