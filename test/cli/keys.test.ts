// `pulsegate keys`: made once, listed without a secret, rotated, destroyed only with --yes, each in the audit trail.
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { keysCommand } from '../../cli/keys.ts'
import { quarantineCommand } from '../../cli/quarantine.ts'
import { openKeyRing } from '../../ingest/keys/key-ring.ts'
import { makeMasterKey } from '../../ingest/keys/master-key-file.ts'
import { moveToTenant } from '../../ingest/tenants.ts'
import { deliverBytes, deviceId } from '../fixtures/deliveries.ts'
import { testFolder } from '../fixtures/folder.ts'
import { count, ingestBench } from '../fixtures/ingest.ts'
import { startKeyService } from '../fixtures/key-service.ts'
import { testMasterKey } from '../fixtures/master-key.ts'
import { createPki } from '../fixtures/pki.ts'
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
  t.match(await run('list'), { out: /1 message in quarantine is in the clear/ })
  t.match(await run('seal', '--json'), { code: 0, out: '{"event":"done","sealed":1}\n' })
  t.equal(await count(owner, 'quarantine', 'key IS NULL'), 0)

  t.match(await run('rotate', '--master-key', another), { code: 1, out: /^0 data keys wrapped by master key [0-9a-f]{16} now\n2 data keys left under master key [0-9a-f]{16}, which was not given/ })
  t.match(await run('rotate', '--master-key', another, '--old-master-keys', testMasterKey, '--purpose', 'yearly'), { code: 0, out: /^2 data keys wrapped by master key/ })
  const show = (key: string) => runCommand(quarantineCommand, 'show', '1', '--json', '--database-url', url, '--master-key', key)
  t.match(JSON.parse((await show(another)).out), { payload: 'ff61' })
  await t.rejects(show(testMasterKey), { code: 'KEY_MASTER_UNKNOWN' }, 'the old master key opens nothing any more')
  const { out } = await run('list', '--json', '--master-key', another)
  t.match(JSON.parse(out), { plain: 0, keys: [{ purpose: 'quarantine' }, { purpose: 'digest' }] })

  for (const words of [[], ['--tenant', 'a', '--all-tenants'], ['--export', '5f0c3f0e-3f39-4c6c-9c5e-8a3c0a6f6d10', '--from', '2026-01-01'], ['--tenant', 'a', '--from', '2026-13-01'], ['--tenant', 'a', '--from', '2026-02-01', '--to', '2026-01-01']]) {
    t.match(await run('destroy', ...words), { code: 2 }, words.join(' '))
  }
  t.match(await run('destroy', '--tenant', ''), { code: 2, out: /would destroy 1 data key; 2 messages/, err: /add --yes/ })
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
  t.match(await run(...words), { code: 2, out: /would destroy 0 data keys; 1 message in quarantine would be/ })
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

test('destroy of what is not there fails, and the trail does not say that it was done', needsServices, async (t) => {
  const { url, owner, start } = await ingestBench(t)
  const run = (...words: string[]) => runCommand(keysCommand, 'destroy', ...words, '--database-url', url)
  await start().send(deliverBytes(deviceId(1), 'telemetry', Buffer.from('\xffa', 'latin1')))
  const none = [['--tenant', 'nosuch'], ['--export', '5f0c3f0e-3f39-4c6c-9c5e-8a3c0a6f6d10'], ['--lost-master', 'feedfacefeedface'], ['--all-tenants', '--to', '2001-01-01']]
  for (const words of none) {
    for (const yes of [[], ['--yes'], ['--yes', '--json']]) await t.rejects(run(...words, ...yes), { code: 'KEY_SELECTION_EMPTY' }, [...words, ...yes].join(' '))
  }
  const trail = async () => (await owner.query<{ text: string }>("SELECT outcome || ' ' || coalesce(reason, '') AS text FROM audit WHERE type = 'key' AND subtype = 'destroyed' ORDER BY number")).rows.map(({ text }) => text.trim())
  t.strictSame(await trail(), Array(8).fill('minor-failure KEY_SELECTION_EMPTY'), 'that it was tried is told')
  t.match(await run('--tenant', '', '--yes'), { code: 0, out: '1 data key destroyed; 1 message in quarantine is unreadable for good\n' })
  await t.rejects(run('--tenant', '', '--yes'), { code: 'KEY_SELECTION_EMPTY' }, 'what is destroyed already')

  await start().send(deliverBytes(deviceId(1), 'telemetry', Buffer.from('\xffb', 'latin1')))
  await owner.query("UPDATE data_key SET wrapped = NULL, destroyed_at = now() WHERE purpose = 'quarantine' AND destroyed_at IS NULL")
  t.match(await run('--tenant', '', '--yes'), { code: 0, out: '0 data keys destroyed; 1 message in quarantine is unreadable for good\n' }, 'stopped before the payloads were emptied, it goes on')
})

test('a master key that is at hand is not lost', needsServices, async (t) => {
  const { url, owner, start } = await ingestBench(t)
  const folder = testFolder(t)
  const [other, damaged] = [join(folder, 'other.key'), join(folder, 'damaged.key')]
  makeMasterKey(other).close()
  writeFileSync(damaged, 'no key', { mode: 0o600 })
  const run = (...words: string[]) => runCommand(keysCommand, 'destroy', '--lost-master', id, ...words, '--database-url', url)
  await start().send(deliverBytes(deviceId(1), 'telemetry', Buffer.from('\xffa', 'latin1')))
  const { rows: [{ master: id } = { master: '' }] } = await owner.query<{ master: string }>('SELECT DISTINCT master FROM data_key')
  const atHand = [['--master-key', testMasterKey], ['--master-key', other, '--old-master-keys', testMasterKey], ['--master-key', join(folder, 'gone.key'), '--old-master-keys', `${damaged},${testMasterKey}`]]
  for (const words of atHand) {
    for (const yes of [[], ['--yes']]) await t.rejects(run(...words, ...yes), { code: 'KEY_MASTER_AT_HAND', message: new RegExp(testMasterKey) }, words.join(' '))
  }
  t.equal(await count(owner, 'data_key', 'destroyed_at IS NOT NULL'), 0)
  const open = join(folder, 'open.key')
  copyFileSync(testMasterKey, open)
  chmodSync(open, 0o644)
  await t.rejects(run('--master-key', open, '--yes'), { code: 'SECRET_FILE_EXPOSED' }, 'a key that may not be read may be the one')
  t.match(await run('--master-key', other, '--old-master-keys', damaged), { code: 2, out: /would destroy 2 data keys/ })
  t.match(await run('--master-key', join(folder, 'gone.key'), '--yes'), { code: 0, out: /^2 data keys destroyed/ })
})

test('a key service that has the master key is asked; one that is away may have it', needsServices, async (t) => {
  const { url, owner } = await ingestBench(t)
  const service = await startKeyService(t, await createPki(t))
  const context = { purpose: 'digest', tenant: '', day: null } as const
  const ring = openKeyRing({ masterKey: service.url, deadlineMs: 5_000, tokenFile: service.tokenFile, caFile: service.caFile })
  const { master, wrapped } = await ring.wrap(Buffer.alloc(32, 7), context)
  ring.close()
  await owner.query("INSERT INTO data_key (purpose, master, wrapped) VALUES ('digest', $1, $2)", [master, wrapped])
  const run = () => runCommand(keysCommand, 'destroy', '--lost-master', master, '--yes', '--database-url', url, '--master-key', testMasterKey,
    '--old-master-keys', service.url, '--key-service-token-file', service.tokenFile, '--key-service-ca', service.caFile, '--key-service-timeout', '500ms')
  await t.rejects(run(), { code: 'KEY_MASTER_AT_HAND' })
  service.mode = 'fail'
  await t.rejects(run(), { code: 'KEY_UNAVAILABLE' })
  t.equal(await count(owner, 'data_key', 'destroyed_at IS NOT NULL'), 0)
})
