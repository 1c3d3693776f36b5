// --purpose of the `pulsegate certs` commands that change rights: it stands in the events that they leave for the audit trail.
import { randomUUID } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { createDeviceKeyAndRequest } from '../../certs/request.ts'
import { certsCommand } from '../../cli/certs.ts'

interface Told { readonly type: string, readonly subtype: string, readonly purpose?: string, readonly reason?: string, readonly detail?: Record<string, unknown> }

/** Runs `pulsegate certs <args>` in this process and gives what it printed. */
async function run (...args: string[]): Promise<string> {
  const printed: string[] = []
  const certs = certsCommand((text) => { printed.push(text) })
  for (const command of [certs, ...certs.commands, ...certs.commands.flatMap(({ commands }) => commands)]) command.exitOverride().configureOutput({ writeErr: () => {} })
  await certs.parseAsync(args, { from: 'user' })
  return printed.join('')
}

/** What lies in the authority's spool, in no order. */
async function told (dir: string): Promise<Told[]> {
  const folder = join(dir, 'audit')
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')))
  return texts.join('').trim().split('\n').map((line) => JSON.parse(line) as { event: Told }).map(({ event }) => event)
}

test('why a right was given, changed or taken stands in the event', async (t) => {
  const base = t.testdir()
  const [dir, csr, phrase] = [join(base, 'certs'), join(base, 'device.csr'), join(base, 'phrase')]
  await writeFile(phrase, 'correct horse battery', { mode: 0o600 })
  const [id, other] = [randomUUID(), randomUUID()]
  await writeFile(csr, (await createDeviceKeyAndRequest(other)).requestPem)
  await run('init', '--dir', dir)
  await run('issue', id, '--dir', dir, '--purpose', 'why issue')
  await run('sign', csr, '--id', other, '--out', join(base, 'device.crt'), '--dir', dir, '--purpose', 'why sign')
  await run('revoke', id, '--dir', dir, '--purpose', 'why revoke')
  const [made] = JSON.parse(await run('token', randomUUID(), '--json', '--dir', dir, '--purpose', 'why token')) as Array<{ name: string }>
  await run('token', 'revoke', made?.name ?? '', '--dir', dir, '--purpose', 'why token revoke')
  await run('operator', 'alice', '--role', 'viewer', '--dir', dir, '--purpose', 'why operator')
  for (const step of ['prepare', 'activate']) await run('ca', step, '--dir', dir, '--purpose', `why ${step}`)
  await run('ca', 'retire', '--force', '--yes', '--dir', dir, '--purpose', 'why retire')
  await run('ca', 'rollback', '--dir', dir, '--purpose', 'why rollback')
  await run('passphrase', '--new-passphrase-file', phrase, '--dir', dir, '--purpose', 'why passphrase')
  const events = await told(dir)
  const whys = events.flatMap(({ purpose }) => purpose ?? [])
  t.strictSame(whys.sort(), ['activate', 'issue', 'passphrase', 'prepare', 'retire', 'revoke', 'rollback', 'sign', 'token', 'token revoke'].map((what) => `why ${what}`))
  t.match(events.find(({ purpose }) => purpose === 'why token revoke'), { type: 'certificate', subtype: 'revoked' })
  t.match((await told(join(dir, 'operators'))).filter(({ subtype }) => subtype === 'issued'), [{ purpose: 'why operator' }])
})

test('it may stand in PULSEGATE_PURPOSE, the flag goes before it, and without either the event has none', async (t) => {
  const dir = join(t.testdir(), 'certs')
  await run('init', '--dir', dir)
  const [plain, byVariable, byFlag] = [randomUUID(), randomUUID(), randomUUID()]
  await run('issue', plain, '--dir', dir)
  process.env['PULSEGATE_PURPOSE'] = 'from the environment'
  t.teardown(() => { delete process.env['PULSEGATE_PURPOSE'] })
  await run('issue', byVariable, '--dir', dir)
  const [made] = JSON.parse(await run('token', randomUUID(), '--json', '--dir', dir)) as Array<{ name: string }>
  await run('token', 'revoke', made?.name ?? '', '--dir', dir, '--purpose', 'by the flag')
  await run('issue', byFlag, '--dir', dir, '--purpose', 'by the flag')
  const events = await told(dir)
  const purposeOfDevice = (id: string): string | undefined => events.find(({ subtype, detail }) => subtype === 'issued' && detail?.['device'] === id)?.purpose
  t.strictSame([plain, byVariable, byFlag].map(purposeOfDevice), [undefined, 'from the environment', 'by the flag'])
  t.match(events.filter(({ subtype }) => subtype === 'token-made'), [{ purpose: 'from the environment' }])
  t.match(events.filter(({ subtype }) => subtype === 'revoked'), [{ purpose: 'by the flag' }])
})
