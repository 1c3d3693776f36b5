// Who is next at one address: the ports in turn, and of each port the one who has waited longest.
import { test } from 'tap'
import { Queues } from '../../broker/queues.ts'

function filled (): Queues<string> {
  const [broker, est, admin] = [{}, {}, {}]
  const queues = new Queues<string>()
  for (const item of ['b1', 'b2', 'b3', 'b4']) queues.push(broker, item)
  queues.push(est, 'e1')
  queues.push(est, 'e2')
  queues.push(admin, 'a1')
  return queues
}

test('ports take turns; each serves its oldest', (t) => {
  const queues = filled()
  t.equal(queues.length, 7)
  t.strictSame(Array.from({ length: 8 }, () => queues.shift()), ['b1', 'e1', 'a1', 'b2', 'e2', 'b3', 'b4', undefined])
  t.equal(queues.length, 0)
  t.end()
})

test('the oldest of each port are taken out, up to the first that is not due; the rest keep their turns', (t) => {
  const queues = filled()
  t.strictSame(queues.takeOldest((item) => ['b1', 'b2', 'b4', 'e2', 'a1'].includes(item)), ['b1', 'b2', 'a1'])
  t.strictSame(Array.from({ length: 5 }, () => queues.shift()), ['b3', 'e1', 'b4', 'e2', undefined])
  for (const port of [{}, {}]) queues.push(port, 'late')
  t.strictSame(queues.takeOldest(() => true), ['late', 'late'])
  t.equal(queues.length, 0)
  t.end()
})
