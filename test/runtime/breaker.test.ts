import { test } from 'tap'
import { Breaker, type BreakerState } from '../../runtime/breaker.ts'

function make (random = 0.9) {
  let now = 0
  const changes: BreakerState[] = []
  const breaker = new Breaker({ failuresToOpen: 3, baseMs: 100, capMs: 1_000, clock: () => now, random: () => random, onChange: (state) => changes.push(state) })
  return { breaker, changes, pass: (ms: number) => { now += ms } }
}

test('it opens after so many failures in a row; a success between them starts the count anew', async (t) => {
  const { breaker } = make()
  breaker.failed(); breaker.failed(); breaker.succeeded(); breaker.failed(); breaker.failed()
  t.equal(breaker.state, 'closed')
  breaker.failed()
  t.equal(breaker.state, 'open')
  t.same(breaker.turn(), { kind: 'wait', waitMs: 90 })
})

test('one probe at a time; its outcome decides, and waits grow to the cap', async (t) => {
  const { breaker, changes, pass } = make()
  for (let i = 0; i < 3; i++) breaker.failed()
  const waits: number[] = []
  for (let i = 0; i < 6; i++) {
    const turn = breaker.turn()
    waits.push(turn.kind === 'wait' ? turn.waitMs : 0)
    pass(waits.at(-1) ?? 0)
    t.same(breaker.turn(), { kind: 'go' })
    t.equal(breaker.turn().kind, 'wait', 'a second caller waits for the probe')
    breaker.failed()
  }
  t.same(waits, [90, 180, 360, 720, 900, 900])
  pass(1_000)
  t.same(breaker.turn(), { kind: 'go' })
  breaker.succeeded()
  t.same(breaker.turn(), { kind: 'go' })
  t.equal(changes.at(-1), 'closed')
})

test('a lucky random number does not make it probe without pause', async (t) => {
  const { breaker } = make(0)
  for (let i = 0; i < 3; i++) breaker.failed()
  t.same(breaker.turn(), { kind: 'wait', waitMs: 50 })
})

test('waiting for a turn ends with the signal', async (t) => {
  const { breaker } = make()
  for (let i = 0; i < 3; i++) breaker.failed()
  const controller = new AbortController()
  const waiting = breaker.waitForTurn(controller.signal)
  controller.abort()
  await t.rejects(waiting, { name: 'AbortError' })
})
