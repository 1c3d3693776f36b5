// `pulsegate keys`: made once, listed without a secret, rotated, destroyed only with --yes, each in the audit trail.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { keysCommand } from '../../cli/keys.ts'
import { quarantineCommand } from '../../cli/quarantine.ts'
import { deliverBytes, deviceId } from '../fixtures/deliveries.ts'
import { testFolder } from '../fixtures/folder.ts'
import { count, ingestBench } from '../fixtures/ingest.ts'
import { testMasterKey } from '../fixtures/master-key.ts'
import { plantPlain } from '../fixtures/plain-quarantine.ts'
import { runCommand } from '../fixtures/run-command.ts'
import { needsServices } from '../services/skip.ts'

test('init, list, rotate, seal, destroy', needsServices, async (t) => {
  const { url, owner, start } = await ingestBench(t)
  const run = (...words: string[]) => runCommand(keysCommand, ...words, '--database-url', url)
  const another = join(testFolder(t), 'another.key')
  const made = await runCommand(keysCommand, 'init', '--master-key', another)
  t.match(made, { code: 0, out: /Back it up now/ })
  t.notMatch(made.out, readFileSync(another, 'utf8').trim(), 'the key is not shown')
  await t.rejects(runCommand(keysCommand, 'init', '--master-key', another), { code: 'MASTER_KEY_EXISTS' })

  const message = (text: string) => deliverBytes(deviceId(1), 'telemetry', Buffer.from(`\xff${text}`, 'latin1'))
  await start().send(message('a'))
  await plantPlain(owner, { ...message('plain').envelope, reason: 'not-cbor' })
  t.match(await run('list'), { out: /1 messages in quarantine are in the clear/ })
  t.match(await run('seal', '--json'), { code: 0, out: '{"event":"done","sealed":1}\n' })
  t.equal(await count(owner, 'quarantine', 'key IS NULL'), 0)

  t.match(await run('rotate', '--master-key', another), { code: 1, out: /stay under master key [0-9a-f]{16}, which was not given/ })
  t.match(await run('rotate', '--master-key', another, '--old-master-keys', testMasterKey, '--purpose', 'yearly'), { code: 0, out: /^2 data keys are wrapped by master key/ })
  const show = (key: string) => runCommand(quarantineCommand, 'show', '1', '--json', '--database-url', url, '--master-key', key)
  t.match(JSON.parse((await show(another)).out), { payload: 'ff61' })
  await t.rejects(show(testMasterKey), { code: 'KEY_MASTER_UNKNOWN' }, 'the old master key opens nothing any more')
  const { out } = await run('list', '--json', '--master-key', another)
  t.match(JSON.parse(out), { plain: 0, keys: [{ purpose: 'quarantine' }, { purpose: 'digest' }] })

  for (const words of [[], ['--tenant', 'a', '--all-tenants'], ['--export', '5f0c3f0e-3f39-4c6c-9c5e-8a3c0a6f6d10', '--from', '2026-01-01'], ['--tenant', 'a', '--from', '2026-13-01'], ['--tenant', 'a', '--from', '2026-02-01', '--to', '2026-01-01']]) {
    t.match(await run('destroy', ...words), { code: 2 }, words.join(' '))
  }
  t.match(await run('destroy', '--tenant', ''), { code: 2, out: /would destroy 1 data keys; 2 messages/, err: /add --yes/ })
  t.match(JSON.parse((await show(another)).out), { payload: 'ff61' }, 'nothing was destroyed')
  t.match(await run('destroy', '--tenant', '', '--yes', '--json'), { code: 0, out: '{"event":"done","keys":1,"messages":2}\n' })
  await t.rejects(show(another), { code: 'KEY_DESTROYED' })
  const { rows } = await owner.query<{ text: string }>("SELECT subtype || ' ' || outcome || ' ' || coalesce(purpose, '') AS text FROM audit WHERE type = 'key' AND subtype <> 'made' ORDER BY number")
  t.strictSame(rows.map(({ text }) => text.trim()), ['rotated success', 'rotated success', 'rotated minor-failure', 'rotated success yearly', 'rotated success yearly', 'destroyed success'])
})
