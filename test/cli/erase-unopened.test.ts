// An erasure that cannot see what time a sealed message is of does not call itself done, and goes on once it can.
import { join } from 'node:path'
import { test } from 'tap'
import { eraseCommand } from '../../cli/erase.ts'
import { DataKeys } from '../../ingest/keys/data-keys.ts'
import { ensureMasterKey, masterKeyFile } from '../../ingest/keys/master-key-file.ts'
import { openRow } from '../../ingest/quarantine-open.ts'
import { runErasure } from '../../ingest/erase.ts'
import { deliver, deviceId, telemetry } from '../fixtures/deliveries.ts'
import { begin, erase } from '../fixtures/erasures.ts'
import { count, ingestBench } from '../fixtures/ingest.ts'
import { runCommand } from '../fixtures/run-command.ts'
import { needsServices } from '../services/skip.ts'

const hourMs = 3_600_000
const startMs = Math.floor(Date.now() / hourMs) * hourMs - 30 * hourMs
const hour = { target: { kind: 'device', id: deviceId(1) }, fromMs: startMs, toMs: startMs + hourMs } as const
const refused = (seq: number, baseWallMs: number) => deliver(deviceId(1), telemetry(seq, { header: { baseWallMs }, samples: [{ metric: 32_000, dtMs: 0, value: 1, quality: 0 }] }))

test('messages sealed under a master key that is not here: not done, and told; with it the same command ends it [C21]', needsServices, async (t) => {
  const { url, owner, database, start } = await ingestBench(t)
  const path = join(t.testdir(), 'other.key')
  ensureMasterKey(path).keys.close()
  const other = (of: typeof owner): DataKeys => new DataKeys({ database: of, keys: masterKeyFile(path) })
  // they came a day after what they are about
  await start(other(database)).send(refused(0, startMs + 60_000), refused(1, startMs + 2 * hourMs))
  const words = ['--device', deviceId(1), '--from', new Date(startMs).toISOString(), '--to', new Date(startMs + hourMs).toISOString(), '--yes', '--database-url', url]
  await t.rejects(runCommand(eraseCommand, ...words), { code: 'ERASURE_UNOPENED', message: /^2 messages/ })
  t.equal(await count(owner, 'quarantine', "reason = 'unknown-metric'"), 2, 'and it has not guessed')
  t.equal(await count(owner, 'erasure', 'finished_at IS NULL'), 1)
  t.strictSame((await owner.query("SELECT outcome, detail -> 'phase' AS phase, detail -> 'unopened' AS unopened FROM audit WHERE subtype = 'erased' ORDER BY number DESC LIMIT 1")).rows,
    [{ outcome: 'serious-failure', phase: 'unopened', unopened: 2 }])
  const keys = other(owner)
  const { erasure, unopened } = await erase(owner, hour, { open: (row) => openRow(keys, row) })
  t.match({ ...erasure, unopened }, { resumed: true, unopened: 0 })
  t.strictSame((await owner.query('SELECT seq::int, reason FROM quarantine ORDER BY seq')).rows, [{ seq: 0, reason: 'erased' }, { seq: 1, reason: 'unknown-metric' }])
  t.equal(await count(owner, 'erasure', 'finished_at IS NULL'), 0)
})

test('a subject whose assignments have their tombstone already is found by its own name, as long as it is not done [C21]', needsServices, async (t) => {
  const { url, owner } = await ingestBench(t)
  await owner.query("INSERT INTO assignment (device, subject, period) SELECT key, 'P-9', tstzrange($2, $3) FROM device WHERE id = $1", [deviceId(1), new Date(startMs), new Date(startMs + hourMs)])
  const query = owner.query.bind(owner)
  t.intercept(owner, 'query', {
    value: async (text: string, values?: unknown[]) => {
    // after the assignments, before the end
      if (text.includes('roll_up')) throw Object.assign(new Error('the process ends here'), { code: '42P01' })
      return query(text, values)
    }
  })
  await t.rejects(erase(owner, { target: { kind: 'subject', id: 'P-9' } }), /ends here/)
  t.equal(await count({ ...owner, query }, 'assignment', "subject = 'P-9'"), 0)
  t.match(await runCommand(eraseCommand, '--subject', 'P-9', '--yes', '--database-url', url), { code: 0 })
  t.strictSame((await query("SELECT target LIKE 'erased-%' AS gone, finished_at IS NOT NULL AS done FROM erasure")).rows, [{ gone: true, done: true }])
})

test('what is damaged goes, for nobody can say that it is not meant; of a destroyed key nothing is left', needsServices, async (t) => {
  const { owner, start } = await ingestBench(t)
  await start().send(refused(0, startMs + 2 * hourMs), refused(1, startMs + 3 * hourMs), refused(2, startMs + 4 * hourMs))
  await owner.query('UPDATE quarantine SET payload = set_byte(payload, 20, 255 - get_byte(payload, 20)) WHERE seq = 1')
  t.equal((await erase(owner, hour)).unopened, 0)
  t.strictSame((await owner.query('SELECT seq::int, reason FROM quarantine ORDER BY seq')).rows, [{ seq: 0, reason: 'unknown-metric' }, { seq: 1, reason: 'erased' }, { seq: 2, reason: 'unknown-metric' }])
  await owner.query("UPDATE data_key SET wrapped = NULL, destroyed_at = now() WHERE purpose = 'quarantine'")
  t.equal((await erase(owner, { ...hour, fromMs: startMs + 2 * hourMs, toMs: startMs + 3 * hourMs })).unopened, 0)
  t.equal(await count(owner, 'quarantine', "reason = 'erased'"), 1)
})

test('a continuation too waits for what workers remember [C21]', needsServices, async (t) => {
  const { owner } = await ingestBench(t, { edition: 'plain' })
  await begin(owner, hour)
  const again = await begin(owner, hour)
  t.equal(again.resumed, true)
  const begunMs = performance.now()
  await runErasure(owner, again, { settleMs: 1_500 })
  t.ok(performance.now() - begunMs >= 1_490)
})
