// A storm of the same stays a few rows a second, whoever else wants his own event written at once.
import { test } from 'tap'
import { Storms } from '../../../ingest/audit/storms.ts'
import { sleep } from '../../../runtime/retry.ts'
import { auditBench, refused, rowsOf, viewed } from '../../fixtures/audit.ts'
import { needsServices } from '../../services/skip.ts'

test('sums that are taken early begin no new second', async (t) => {
  const storms = new Storms({ failuresPerS: 10, successesPerS: 10 })
  let passed = 0
  let summed = 0
  for (let ms = 0; ms < 1_000; ms += 10) {
    if (storms.pass(refused('a'), ms)) passed++
    for (const { count = 1 } of storms.due(ms, true)) summed += count
  }
  t.strictSame({ passed, summed, pending: storms.pending }, { passed: 10, summed: 90, pending: false })
  t.ok(storms.pass(refused('a'), 1_000), 'the next second')
})

test('a second that is over is told even when nothing comes any more, and quiet kinds are forgotten', async (t) => {
  const storms = new Storms({ failuresPerS: 1, successesPerS: 1 })
  t.ok(storms.pass(refused('a'), 0))
  t.equal(storms.pending, false, 'nothing was held back')
  t.notOk(storms.pass(refused('b'), 5))
  t.notOk(storms.pass(refused('b'), 7))
  t.ok(storms.pending)
  t.strictSame(storms.due(999), [])
  t.match(storms.due(1_000), [{ agent: { id: 'b' }, count: 2, detail: { agents: 1, firstAtMs: 0, lastAtMs: 7 } }])
  t.equal(storms.pending, false)
  // more kinds than are kept: one that is over makes room
  for (let kind = 0; kind < 1_000; kind++) storms.pass(refused('a', `reason ${kind}`), 2_000)
  storms.pass(refused('a', 'one more'), 3_000)
  t.notOk(storms.pass(refused('a', 'one more'), 3_000), 'limited too')
})

test('who waits for a commit does not open the gates of a storm', needsServices, async (t) => {
  const { owner, open } = await auditBench(t)
  const log = open({ limits: { failuresPerS: 10, flushAfterMs: 20 } })
  const startedMs = performance.now()
  for (let turn = 0; turn < 10; turn++) {
    for (let i = 0; i < 50; i++) log.record(refused('the-same'))
    await log.recordNow(viewed(turn))
    await sleep(20) // so that the next turn is a transaction of its own
  }
  const seconds = Math.ceil((performance.now() - startedMs) / 1_000) + 1
  await log.flush()
  const rows = await rowsOf(owner, "type = 'connection'")
  t.equal(rows.reduce((sum, { count }) => sum + Number(count), 0), 500)
  t.ok(rows.filter(({ count }) => count === 1).length <= 10 * seconds, `${rows.length} rows in ${seconds} s`)
  t.ok(rows.length <= 12 * seconds, `${rows.length} rows in ${seconds} s`)
})
