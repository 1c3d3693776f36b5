// `pulsegate keys`: made once, listed without a secret, rotated, destroyed only with --yes, each in the audit trail.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { keysCommand } from '../../cli/keys.ts'
import { quarantineCommand } from '../../cli/quarantine.ts'
import { moveToTenant } from '../../ingest/tenants.ts'
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

test('destroy takes what lies in the clear from before sealing too, by tenant and day', needsServices, async (t) => {
  const { url, owner, start } = await ingestBench(t)
  const run = (...words: string[]) => runCommand(keysCommand, ...words, '--database-url', url)
  await moveToTenant(owner, deviceId(1), 'leaving', undefined, async () => {})
  await moveToTenant(owner, deviceId(2), 'staying', undefined, async () => {})
  const plant = async (device: number, text: string, at: string) => {
    const { envelope } = deliverBytes(deviceId(device), 'telemetry', Buffer.from(`\xff${text}`, 'latin1'))
    await plantPlain(owner, { ...envelope, receivedAtMs: Date.parse(at), reason: 'not-cbor' })
  }
  await plant(1, 'old', '2026-01-31T23:59:00Z')
  await plant(1, 'later', '2026-02-01T00:01:00Z')
  await plant(2, 'other', '2026-01-31T23:59:00Z')
  const words = ['destroy', '--tenant', 'leaving', '--to', '2026-01-31']
  t.match(await run(...words), { code: 2, out: /would destroy 0 data keys; 1 messages/ })
  t.match(await run(...words, '--yes', '--json'), { code: 0, out: '{"event":"done","keys":0,"messages":1}\n' })
  const show = (id: string) => runCommand(quarantineCommand, 'show', id, '--json', '--database-url', url)
  await t.rejects(show('1'), { code: 'KEY_DESTROYED' }, 'and says what became of it')
  t.match(JSON.parse((await show('2')).out), { payload: 'ff6c61746572' }, 'another day')
  t.match(JSON.parse((await show('3')).out), { payload: 'ff6f74686572' }, 'another tenant')
  const { rows: [row] } = await owner.query<{ all: string, bytes: number }>('SELECT q::text AS all, bytes FROM quarantine q WHERE id = 1')
  t.notMatch(row?.all, Buffer.from('old').toString('hex'))
  t.equal(row?.bytes, 4, 'its length stays')
  await start().send(deliverBytes(deviceId(1), 'telemetry', Buffer.from('\xffold', 'latin1')))
  t.match(JSON.parse((await show('4')).out), { payload: 'ff6f6c64' }, 'the same message again is a row of its own')
})
