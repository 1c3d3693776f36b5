// The arithmetic of paces: what one device, and all together, may send. Pure but for its clock, which the test holds.
import { test } from 'tap'
import { defaultLimits } from '../../broker/limits.ts'
import { Pace, PaceSetter } from '../../broker/pace.ts'

test('a pace lets a burst through, then the rate, exactly, in messages and in bytes', (t) => {
  const setter = new PaceSetter({ ...defaultLimits, deviceMessagesPerSecond: 100, deviceBytesPerSecond: 10_000 })
  const start = performance.now()
  setter.look(start)
  const pace = new Pace(setter.rates)
  const takes = (bytes: number): number => {
    let count = 0
    while (pace.room) {
      pace.take(bytes)
      count++
    }
    return count
  }
  t.equal(takes(10), 1_000, 'ten seconds\' worth')
  let taken = 0
  for (let i = 1; i <= 400; i++) {
    setter.look(start + i * 33)
    pace.look()
    taken += takes(10)
  }
  t.ok(Math.abs(taken - 100 * 400 * 0.033) <= 1, `${taken}`)
  setter.look(start + 400 * 33 + 1_000_000)
  pace.look()
  t.equal(takes(1_000), 100, 'bytes bind')
  setter.look(start + 500 * 33 + 1_000_000)
  const [before, again] = [pace.messages, new Pace(setter.rates)]
  pace.look()
  pace.look() // by another connection of the device
  t.equal(pace.messages, Math.min(1_000, before + 330), 'each token is given once')
  t.equal(again.messages, 1_000)
  again.take(1)
  again.look()
  t.equal(again.messages, 999, 'what was granted before it began is none of its')
  t.equal(setter.of('a'), setter.of('a'))
  const free = new Pace(new PaceSetter({ ...defaultLimits, deviceMessagesPerSecond: 0, deviceBytesPerSecond: 0 }).rates)
  for (let i = 0; i < 1_000; i++) free.take(1e9)
  t.ok(free.room)
  t.end()
})

test('the pace of all is shared first come, first served', (t) => {
  const setter = new PaceSetter({ ...defaultLimits, totalMessagesPerSecond: 4 })
  const order: string[] = []
  const waiter = (name: string) => ({ paceFree: () => { order.push(name) } })
  const start = performance.now()
  setter.look(start)
  while (setter.takeTotal(1));
  for (const name of ['a', 'b', 'c', 'd']) setter.wait(waiter(name))
  setter.look(start + 100)
  t.strictSame(order, [], 'not one message yet')
  setter.look(start + 600)
  t.strictSame(order, ['a', 'b'], 'two messages, two of them')
  setter.takeTotal(1)
  setter.takeTotal(1)
  setter.look(start + 1_200)
  t.strictSame(order, ['a', 'b', 'c', 'd'])
  t.end()
})
