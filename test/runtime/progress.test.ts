import { test } from 'tap'
import { Progress, progressLine } from '../../runtime/progress.ts'

function watch (isTTY: boolean) {
  let text = ''
  let now = 0
  const stream = { isTTY, columns: 40, write: (part: string) => { text += part } }
  return { progress: new Progress('replaying', { stream, clock: () => now }), text: () => text, pass: (ms: number) => { now += ms } }
}

test('a terminal sees one line that is rewritten, and cleared at the end', async (t) => {
  const { progress, text, pass } = watch(true)
  for (let done = 0; done < 1_000; done++) { progress.update(done, 1_000); pass(1) }
  progress.finish('replayed 1000')
  t.equal(text().split('\n').length, 2, 'one line is left')
  t.ok(text().split('\r').length <= 11, 'ten times a second at most')
  t.match(text(), /\r\u001b\[Kreplayed 1000\n$/) // eslint-disable-line no-control-regex
})

test('a log sees plain lines now and then', async (t) => {
  const { progress, text, pass } = watch(false)
  for (let done = 0; done < 12; done++) { progress.update(done); pass(1_000) }
  progress.finish('replayed 12')
  t.equal(text(), 'replaying: 0\nreplaying: 5\nreplaying: 10\nreplayed 12\n')
})

test('the time left is told when it can be known', async (t) => {
  t.equal(progressLine('x', { done: 30, total: 120, elapsedMs: 4_000 }), 'x: 30 of 120, 25 %, about 12 s left')
  t.equal(progressLine('x', { done: 0, total: 120, elapsedMs: 4_000 }), 'x: 0 of 120, 0 %')
  t.equal(progressLine('x', { done: 7, elapsedMs: 4_000 }), 'x: 7')
})
