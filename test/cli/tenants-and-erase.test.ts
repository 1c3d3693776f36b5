// The commands as a person and a program use them: what they print, what they end with, and what the audit trail says of it.
import { test } from 'tap'
import { eraseCommand } from '../../cli/erase.ts'
import { tenantsCommand } from '../../cli/tenants.ts'
import { deliver, deliverBytes, deviceId, telemetry } from '../fixtures/deliveries.ts'
import { count, ingestBench } from '../fixtures/ingest.ts'
import { temporaryLogin } from '../fixtures/logins.ts'
import { type CommandResult, runCommand } from '../fixtures/run-command.ts'
import { needsServices } from '../services/skip.ts'

test('tenants: grant, move, list, withdraw; each change audited', needsServices, async (t) => {
  const { url, owner } = await ingestBench(t)
  const { name } = await temporaryLogin(t, url, ['pulsegate_reader'])
  const outsider = await temporaryLogin(t, url)
  const run = (...words: string[]): Promise<CommandResult> => runCommand(tenantsCommand, ...words, '--database-url', url)
  t.match(await run('list'), { code: 0, out: new RegExp(`no tenant[^]*3 devices belong to no tenant[^]*sees nothing:.*${name}`) })
  t.match(await run('grant', name, 'ward-7', '--purpose', 'contract'), { code: 0, out: `${name} reads ward-7\n` })
  t.match(await run('grant', name, 'ward-7'), { out: /already/ })
  t.match(await run('grant', outsider.name, '*'), { out: /reads every tenant\nit is not a member of pulsegate_reader yet: GRANT/ })
  t.match(await run('move', deviceId(1), 'ward-7'), { out: `${deviceId(1)} belongs to ward-7 since ever\n` })
  t.match(await run('move', deviceId(1), 'ward-8', '--from', '1h'), { out: /ward-8 from / })
  t.match(await run('list'), { out: new RegExp(`ward-7 +0 +1 +${name}\nward-8 +1 +0`) })
  t.match(JSON.parse((await run('list', '--json')).out), { tenants: [{ tenant: 'ward-7', formerDevices: 1, logins: [name] }, {}], everything: [outsider.name], devicesWithout: 2 })
  t.match(await run('withdraw', name, 'ward-7'), { out: /no longer reads/ })
  t.match(await run('withdraw', name, 'ward-7'), { out: /did not read/ })
  t.match(await run('move', deviceId(1), 'none', '--json'), { out: /"tenant":null,"changed":true,"previous":"ward-8"/ })
  for (const words of [['grant', name, 'none'], ['grant', name, ''], ['move', 'x', 'ward-7'], ['move', deviceId(1), '*'], ['move', deviceId(1), 'a b']]) {
    t.match(await run(...words), { code: 2 }, words.join(' '))
  }
  await t.rejects(run('grant', 'nobody-of-that-name', 'ward-7'), { code: 'LOGIN_UNKNOWN' })
  await t.rejects(run('grant', 'pulsegate_reader', 'ward-7'), { code: 'LOGIN_UNKNOWN' }, 'a group is no login')
  const { rows } = await owner.query("SELECT type, subtype, entity FROM audit WHERE type IN ('access', 'device') ORDER BY 1, 2, 3")
  t.equal(rows.filter(({ type, subtype, entity }) => type === 'access' && subtype === 'granted' && entity === name).length, 2)
  t.ok(rows.some(({ subtype, entity }) => subtype === 'withdrawn' && entity === name))
  t.equal(rows.filter(({ subtype, entity }) => subtype === 'moved' && entity === deviceId(1)).length, 3)
})

test('erase: says what it is about, wants a yes, tells what remains and why, is audited [C21]', needsServices, async (t) => {
  const { url, owner, start } = await ingestBench(t)
  const { send } = start()
  await send(deliver(deviceId(1), telemetry(0)), deliver(deviceId(1), telemetry(1)), deliverBytes(deviceId(1), 'telemetry', Buffer.from([0xff])))
  await owner.query("INSERT INTO assignment (device, subject, period) SELECT key, 'P-4711', tstzrange(now() - INTERVAL '1 day', NULL) FROM device WHERE id = $1", [deviceId(1)])
  await owner.query("INSERT INTO export (id, made_by, subjects) VALUES (gen_random_uuid(), 'somebody', '{P-4711}')")
  const run = (...words: string[]): Promise<CommandResult> => runCommand(eraseCommand, ...words, '--database-url', url)
  t.match(await run('--subject', 'P-4711', '--dry-run'), { code: 0, out: new RegExp(`P-4711:\n[^]*${deviceId(1)}`) })
  await t.rejects(run('--subject', 'P-4711'), { code: 'ERASURE_UNCONFIRMED' })
  t.match(await run('--subject', 'P-1', '--device', deviceId(1)), { code: 2 })
  t.match(await run(), { code: 2 })
  t.equal(await count(owner, 'sample'), 20, 'nothing so far')

  const { out, code } = await run('--subject', 'P-4711', '--yes', '--purpose', 'her request')
  t.equal(code, 0)
  t.match(out, /removed: 20 samples[^]*the subject is erased-[0-9a-f-]{36}[^]*out of reach: export .* in the clear by somebody/)
  t.equal(await count(owner, 'sample'), 0)
  t.strictSame((await owner.query("SELECT subject LIKE 'erased-%' AS gone, upper_inf(period) AS open FROM assignment")).rows, [{ gone: true, open: false }])
  const device = JSON.parse((await run('--device', deviceId(1), '--yes', '--json')).out.trim().split('\n').at(-1) ?? '') as { remaining: Array<{ table: string, why: string | null }> }
  t.ok(device.remaining.some(({ table, why }) => table === 'receipt' && why !== null && /no value/.test(why)))
  t.ok(device.remaining.some(({ table }) => table === 'audit'))
  t.notOk(device.remaining.some(({ why }) => why === null || why.includes('does not know')), 'every table that names a device is known')
  const { rows } = await owner.query<{ entity: string, purpose: string, detail: Record<string, unknown> }>("SELECT entity, purpose, detail FROM audit WHERE subtype = 'erased' ORDER BY number")
  t.equal(rows.length, 4)
  t.match(rows[0], { entity: /^erased-/, purpose: 'her request', detail: { phase: 'begun' } })
  t.match(rows[1], { entity: /^erased-/, detail: { phase: 'finished', samples: 20 } })
  t.equal(await count(owner, 'audit', "to_jsonb(audit)::text LIKE '%P-4711%'"), 0, 'the trail does not know the subject by its name')
})
