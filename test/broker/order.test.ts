// Which of two sessions is the newer: exactly one survives, whoever hears what first; and a clock that is behind loses nothing.
import fc from 'fast-check'
import { test } from 'tap'
import { isNewer, SessionClock } from '../../broker/order.ts'

const mark = fc.record({ broker: fc.constantFrom('a', 'b', 'c'), sinceMs: fc.integer({ min: 0, max: 3 }) })
const id = '0b4e1f6a-6c1a-4d5c-9a54-2f1de7a2c101'
type Mark = { broker: string, sinceMs: number }
const newer = (a: Mark, b: Mark) => isNewer({ id, sinceMs: a.sinceMs }, a.broker, { id, sinceMs: b.sinceMs }, b.broker)

test('of two different sessions exactly one is newer, and the order has no circle', (t) => {
  fc.assert(fc.property(mark, mark, mark, (a, b, c) => {
    const same = a.broker === b.broker && a.sinceMs === b.sinceMs
    if (same ? newer(a, b) || newer(b, a) : newer(a, b) === newer(b, a)) return false
    return !(newer(a, b) && newer(b, c)) || newer(a, c)
  }), { numRuns: 2_000 })
  t.end()
})

test('a session that begins after another was heard of is newer, however far the wall clocks are apart', (t) => {
  const wall = fc.integer({ min: 0, max: 1_000 })
  const step = fc.record({ at: fc.constantFrom(0, 1, 2), walls: fc.tuple(wall, wall, wall) })
  fc.assert(fc.property(fc.array(step, { minLength: 2, maxLength: 30 }), (steps) => {
    let walls: readonly number[] = [0, 0, 0]
    const clocks = [0, 1, 2].map((i) => new SessionClock(() => walls[i] as number))
    let last: Mark | null = null
    for (const { at, walls: now } of steps) {
      walls = now
      const next: Mark = { broker: String(at), sinceMs: (clocks[at] as SessionClock).next() }
      if (last !== null && (!newer(next, last) || newer(last, next))) return false
      for (const clock of clocks) clock.heard(next.sinceMs)
      last = next
    }
    return true
  }), { numRuns: 1_000 })
  t.end()
})

// Each broker holds one session of the same device; they tell each other in any order, an answer included, until all is quiet.
test('when brokers that were apart tell each other, one session survives: the newest', (t) => {
  const holders = fc.uniqueArray(fc.record({ broker: fc.constantFrom('a', 'b', 'c', 'd'), sinceMs: fc.integer({ min: 0, max: 2 }) }), { minLength: 2, maxLength: 4, selector: ({ broker }) => broker })
  fc.assert(fc.property(holders, fc.constantFrom('first', 'all'), fc.infiniteStream(fc.nat()), (all: Mark[], teller, order) => {
    const live = new Set<Mark>(all)
    const way: Array<{ to: Mark, mark: Mark }> = []
    const tell = (mark: Mark) => { for (const to of all) if (to !== mark) way.push({ to, mark }) }
    if (teller === 'all') all.forEach(tell)
    else tell(all[0] as Mark)
    for (let told = 0; way.length > 0; told++) {
      if (told > 1_000) return false
      const [{ to, mark } = { to: all[0] as Mark, mark: all[0] as Mark }] = way.splice((order.next().value as number) % way.length, 1)
      if (!live.has(to)) continue
      if (newer(mark, to)) live.delete(to)
      else tell(to)
    }
    // one that had a gap and told settles every session with its own; when all tell, one is left
    const newest = all.reduce((a, b) => newer(a, b) ? a : b)
    return teller === 'all' ? live.size === 1 && live.has(newest) : live.has(newest) && (live.has(all[0] as Mark) === (newest === all[0]))
  }), { numRuns: 2_000 })
  t.end()
})
