// `pulsegate certs operator` on the command line: keys under passphrases, and what it tells the audit trail.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { certsCommand } from '../../cli/certs.ts'

/** Runs `pulsegate certs <args>` in this process and gives what it printed. */
async function run (...args: string[]): Promise<string> {
  const printed: string[] = []
  const certs = certsCommand((text) => { printed.push(text) })
  for (const command of [certs, ...certs.commands]) command.exitOverride().configureOutput({ writeErr: () => {} })
  await certs.parseAsync(args, { from: 'user' })
  return printed.join('')
}

test('the operators\' authority and a person\'s key, each under its own passphrase', async (t) => {
  const home = t.testdir()
  const [dir, authority, hers] = [join(home, 'certs'), join(home, 'authority'), join(home, 'hers')]
  await writeFile(authority, 'correct horse battery\n', { mode: 0o600 })
  await writeFile(hers, 'a staple of her own\n', { mode: 0o600 })
  await run('init', '--dir', dir, '--passphrase-file', authority)
  await t.rejects(run('operator', 'alice', '--role', 'operator', '--dir', dir), { code: 'CERTS_PASSPHRASE_UNUSABLE' }, 'not plain beside encrypted ones')
  const printed = await run('operator', 'alice', '--role', 'operator', '--dir', dir, '--passphrase-file', authority, '--key-passphrase-file', hers)
  t.match(printed, 'people/alice.key')
  for (const key of ['issuing.key', 'root.key', 'people/alice.key']) t.match(await readFile(join(dir, 'operators', key), 'utf8'), 'BEGIN ENCRYPTED PRIVATE KEY', key)
  await t.rejects(run('operator', 'carol', '--role', 'auditor', '--dir', dir, '--csr', 'carol.csr', '--key-passphrase-file', hers), { code: 'CERTS_INPUT_INVALID' })
  await run('revoke', 'alice', '--dir', join(dir, 'operators'), '--passphrase-file', authority)
  const folder = join(dir, 'operators', 'audit')
  const told = (await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file), 'utf8')))).join('')
  t.match(told, /"subtype":"issued"/)
  t.match(told, /"operator":"alice"/)
  t.match(told, /"subtype":"revoked"/)
  t.notMatch(told + printed, /staple|horse|PRIVATE KEY/)
})
