import { test } from 'tap'
import fc from 'fast-check'
import { backoffMs, retry, sleep } from '../../runtime/retry.ts'

test('a wait lies between 0 and the smaller of cap and doubled base', async (t) => {
  fc.assert(fc.property(fc.nat(1_000), fc.nat(10_000), fc.nat(60_000), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    (attempt, baseMs, capMs, x) => {
      const waitMs = backoffMs({ attempt, baseMs, capMs, random: () => x })
      return Number.isInteger(waitMs) && waitMs >= 0 && waitMs <= capMs && waitMs <= baseMs * 2 ** attempt
    }))
  t.equal(backoffMs({ attempt: 3, baseMs: 100, capMs: 10_000, random: () => 0.5 }), 400)
})

test('a sleep ends at once when its signal aborts', async (t) => {
  const controller = new AbortController()
  const sleeping = sleep(60_000, controller.signal)
  controller.abort()
  await t.rejects(sleeping, { name: 'AbortError' })
})

test('retry goes on until it succeeds, and only for what is retryable', async (t) => {
  const options = { baseMs: 1, capMs: 1, signal: new AbortController().signal, retryable: (error: unknown) => error === 'again' }
  const waits: number[] = []
  let left = 3
  const result = await retry(async () => { if (left-- > 0) throw 'again'; return 'done' }, // eslint-disable-line @typescript-eslint/only-throw-error
    { ...options, onRetry: ({ attempt }) => waits.push(attempt) })
  t.equal(result, 'done')
  t.same(waits, [0, 1, 2])
  await t.rejects(retry(async () => { throw new Error('no use') }, options), { message: 'no use' })
})

test('retry stops waiting when its signal aborts', async (t) => {
  const controller = new AbortController()
  const running = retry(async () => { throw new Error('down') },
    { baseMs: 1e9, capMs: 1e9, random: () => 0.9, signal: controller.signal, retryable: () => true, onRetry: () => controller.abort() })
  await t.rejects(running, { name: 'AbortError' })
})
