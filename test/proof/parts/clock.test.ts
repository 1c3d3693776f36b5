import { test } from 'tap'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { openClock } from '../../../proof/parts/clock.ts'
import { testFolder } from '../../fixtures/folder.ts'

const hourMs = 3_600_000

/** Answers each line with what the process takes for the time, and what must not move. */
const asked = `
import { createInterface } from 'node:readline'
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({
    now: Date.now(), created: new Date().getTime(), text: new Date(Date()).getTime(), iso: new Date(1_000).toISOString(), parsed: Date.parse('1970-01-01T00:00:01Z'),
    utc: Date.UTC(1970, 0, 1), is: new Date() instanceof Date && new Date().constructor === Date, monotonic: performance.now()
  }))
}`

interface Answer { now: number, created: number, text: number, iso: string, parsed: number, utc: number, is: boolean, monotonic: number }

test('the wall clock of a process that runs jumps there and back; what is not "now" stays', async (t) => {
  const clock = await openClock(testFolder(t))
  const child = spawn(process.execPath, [...clock.nodeArgs, '--input-type=module', '--eval', asked], {
    env: clock.env, stdio: ['pipe', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ask = async (): Promise<Answer> => {
    child.stdin.write('\n')
    const { value } = await lines.next() as { value: string }
    return JSON.parse(value) as Answer
  }
  const near = (actual: number, expected: number, what: string) => t.ok(Math.abs(actual - expected) < 30_000, `${what}: ${actual - expected} ms off`)
  let monotonic = 0
  for (const shift of [0, hourMs, -hourMs, 0]) {
    await clock.shift(shift)
    const answer = await ask()
    near(answer.now, Date.now() + shift, 'Date.now()')
    near(answer.created, Date.now() + shift, 'new Date()')
    near(answer.text, Date.now() + shift, 'Date()')
    t.match(answer, { iso: '1970-01-01T00:00:01.000Z', parsed: 1_000, utc: 0, is: true })
    t.ok(answer.monotonic > monotonic && answer.monotonic < monotonic + 60_000, 'performance.now() does not jump')
    monotonic = answer.monotonic
  }
  await t.rejects(clock.shift(0.5), RangeError)
})
