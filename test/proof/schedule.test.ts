import { test } from 'tap'
import { describePlanned, type PlannedFault } from '../../proof/fault.ts'
import { type Draw, failPoint, freeze, kill, link, planSchedule } from '../../proof/schedule.ts'
import { Random } from '../../simulator/random.ts'

const menu: readonly Draw[] = [
  kill(['broker-1', 'broker-2']),
  freeze(['worker-1', 'worker-2'], { low: 3_000, high: 6_000 }),
  link(['broker-1→redis', 'worker-1→postgres'], 'drop-replies'),
  failPoint(['worker-1'], 'after-commit-before-xack', 'kill', { low: 1, high: 9 }, { low: 100, high: 200 })
]

function plan (seed: number, options: { durationMs?: number, pairs?: boolean } = {}): PlannedFault[] {
  return planSchedule({ random: new Random('test', seed), durationMs: 60_000, menu, ...options })
}

test('the same seed gives the same schedule, another seed another', async (t) => {
  t.strictSame(plan(7), plan(7))
  t.strictSame(plan(7, { pairs: true }), plan(7, { pairs: true }))
  t.notSame(plan(7), plan(8))
})

test('a schedule that was printed once can be replayed for ever', async (t) => {
  t.strictSame(plan(1, { durationMs: 20_000 }).map(describePlanned), [
    '  2.0 s  freeze worker-2 for 4.6 s',
    '  7.3 s  broker-1→redis: drop-replies for 3.2 s',
    ' 12.6 s  kill −9 broker-1, down for 1.3 s',
    ' 16.2 s  worker-1 dies after-commit-before-xack (passing 7), for 0.2 s',
    ' 18.5 s  worker-1 dies after-commit-before-xack (passing 2), for 0.1 s'
  ])
})

test('single faults never overlap, and end in time', async (t) => {
  for (let seed = 0; seed < 50; seed++) {
    const planned = plan(seed)
    for (const [index, { atMs, fault }] of planned.entries()) {
      const next = planned[index + 1]
      if (next !== undefined && next.atMs < atMs + fault.forMs) t.fail(`seed ${seed}: ${describePlanned(next)} comes too early`)
      if (atMs + fault.forMs > 60_000) t.fail(`seed ${seed}: ${describePlanned({ atMs, fault })} lasts too long`)
    }
    t.ok(planned.length >= 8, 'a minute holds many')
  }
})

test('every entry of the menu comes before any comes again', async (t) => {
  for (let seed = 0; seed < 50; seed++) {
    const kinds = plan(seed).slice(0, menu.length).map(({ fault }) => fault.kind)
    t.strictSame(kinds.sort(), ['fail-point', 'freeze', 'kill', 'link'])
  }
})

test('pairs overlap, and never hurt one target twice', async (t) => {
  for (let seed = 0; seed < 50; seed++) {
    const planned = plan(seed, { pairs: true })
    t.equal(planned.length % 2, 0)
    for (let at = 0; at < planned.length; at += 2) {
      const [first, second] = planned.slice(at, at + 2)
      if (first === undefined || second === undefined) continue
      t.not(first.fault.target, second.fault.target)
      t.ok(second.atMs >= first.atMs && second.atMs <= first.atMs + first.fault.forMs)
    }
  }
})

test('there is always a fault, however short the time', async (t) => {
  t.equal(plan(3, { durationMs: 100 }).length, 1)
  t.equal(plan(3, { durationMs: 100, pairs: true }).length, 2)
  t.equal(planSchedule({ random: new Random('test', 3), durationMs: 100, menu, least: 4 }).length, 4, 'or as many as are asked for')
})

test('bad menus are refused', async (t) => {
  t.throws(() => planSchedule({ random: new Random('x'), durationMs: 1, menu: [] }), RangeError)
  t.throws(() => planSchedule({ random: new Random('x'), durationMs: 1, menu: [kill([])] }), RangeError)
})
