import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { createDeviceKeyAndRequest } from '../../certs/request.ts'
import { certsCommand } from '../../cli/certs.ts'

/** Runs `pulsegate certs <args>` in this process and gives what it printed. */
async function run (...args: string[]): Promise<string> {
  const printed: string[] = []
  const certs = certsCommand((text) => { printed.push(text) })
  for (const command of [certs, ...certs.commands, ...certs.commands.flatMap(({ commands }) => commands)]) {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: (text) => { printed.push(text) } })
  }
  await certs.parseAsync(args, { from: 'user' })
  return printed.join('')
}

async function runJson<T> (...args: string[]): Promise<T> {
  return JSON.parse(await run(...args, '--json')) as T
}

interface RecordJson { readonly role: string, readonly state: string, readonly serial: string, readonly names: string[] }

test('from an empty directory to a revoked device, on the command line', async (t) => {
  const dir = join(t.testdir(), 'certs')
  const id = randomUUID()
  const outputs = [
    await run('init', '--dir', dir),
    await run('server', 'localhost', '127.0.0.1', '--dir', dir),
    await run('issue', id, '--days', '14', '--dir', dir)
  ]
  t.match(outputs[0], 'pulsegate certs server', 'says what to do next')
  t.equal((await stat(join(dir, 'devices', `${id}.key`))).mode & 0o777, 0o600)
  t.match(outputs[2], join(dir, 'devices', `${id}.crt`))
  const records = await runJson<RecordJson[]>('list', '--dir', dir)
  t.same(records.map(({ role, state }) => `${role} ${state}`), ['root valid', 'issuing valid', 'server valid', 'device valid'])
  outputs.push(await run('show', id, '--dir', dir), await run('show', join(dir, 'devices', `${id}.crt`)), await run('list', '--dir', dir))
  t.match(outputs[3], `valid  device  ${id}`)
  t.match(outputs[4], `names    URI:urn:uuid:${id}`)
  t.match(outputs[4], /for {6}clientAuth\n/)
  outputs.push(await run('revoke', id, '--reason', 'keyCompromise', '--dir', dir))
  t.match(outputs.at(-1), 'Revoked 1, revoked before 0.')
  t.match(await run('revoke', id, '--dir', dir), 'Revoked 0, revoked before 1.')
  t.match(await runJson('show', id, '--dir', dir), [{ state: 'revoked', revoked: { reason: 'keyCompromise' } }])
  outputs.push(await run('crl', '--dir', dir))
  t.notMatch(outputs.join(''), 'PRIVATE KEY', 'no key is ever printed')
})

test('a device\'s own key is signed from a file, to standard output or a file', async (t) => {
  const base = t.testdir()
  const dir = join(base, 'certs')
  await run('init', '--dir', dir)
  const [id, other] = [randomUUID(), randomUUID()]
  const csr = join(base, 'device.csr')
  await writeFile(csr, (await createDeviceKeyAndRequest(other)).requestPem)
  const chain = await run('sign', csr, '--id', id, '--dir', dir)
  t.equal(chain.match(/BEGIN CERTIFICATE/g)?.length, 2)
  const out = join(base, 'device.crt')
  await run('sign', csr, '--id', id, '--out', out, '--dir', dir)
  const described = await run('show', out)
  t.match(described, `URI:urn:uuid:${id}`)
  t.notMatch(described, other, 'who it says it is does not count')
  await t.rejects(run('sign', join(base, 'nothing.csr'), '--id', id, '--dir', dir), { code: 'CERTS_INPUT_INVALID', message: 'does not exist' })
  await writeFile(csr, 'no request')
  await t.rejects(run('sign', csr, '--id', id, '--dir', dir), { code: 'CERTS_REQUEST_REFUSED' })
})

test('with the root key taken away the root list is kept, and who asks for it is told to bring the key', async (t) => {
  const base = t.testdir()
  const [dir, stick, drawer] = [join(base, 'certs'), join(base, 'stick'), join(base, 'drawer')]
  await run('init', '--dir', dir, '--root-dir', stick)
  await mkdir(drawer)
  await rename(join(stick, 'root.key'), join(drawer, 'root.key'))
  t.match(await run('crl', '--dir', dir), 'root\'s list kept')
  await t.rejects(run('crl', '--dir', dir, '--root-dir', stick), { code: 'CERTS_ROOT_KEY_ABSENT', message: stick })
  t.match(await run('crl', '--dir', dir, '--root-dir', drawer), 'root\'s list written')
})

test('mistakes are answered before anything happens', async (t) => {
  const dir = join(t.testdir(), 'certs')
  await t.rejects(run('list', '--dir', dir), { code: 'CERTS_AUTHORITY_MISSING' })
  await run('init', '--dir', dir)
  await t.rejects(run('init', '--dir', dir), { code: 'CERTS_AUTHORITY_EXISTS' })
  const journal = await readFile(join(dir, 'index.jsonl'))
  await t.rejects(run('issue', 'not-a-uuid', '--dir', dir), { code: 'CERTS_INPUT_INVALID' })
  await t.rejects(run('issue', randomUUID(), '--days', '400', '--dir', dir), { code: 'commander.invalidArgument' })
  await t.rejects(run('revoke', randomUUID(), '--reason', 'because', '--dir', dir), { code: 'commander.invalidArgument' })
  await t.rejects(run('revoke', randomUUID(), '--dir', dir), { code: 'CERTS_UNKNOWN' })
  await t.rejects(run('sign', 'device.csr', '--dir', dir), { code: 'commander.missingMandatoryOptionValue' })
  await t.rejects(run('show', 'nothing-here', '--dir', dir), { code: 'CERTS_UNKNOWN' })
  t.same(await readFile(join(dir, 'index.jsonl')), journal)
})

test('many are revoked from a file; unknown ones are named in the end; the audit spool has what was done, and nothing secret', async (t) => {
  const base = t.testdir()
  const dir = join(base, 'certs')
  await run('init', '--dir', dir)
  const ids = [randomUUID(), randomUUID()]
  await run('issue', ...ids, '--dir', dir)
  const file = join(base, 'ids.txt')
  await writeFile(file, `# stolen\n${ids.join('\n')} # both\n\n`)
  t.match(await run('revoke', '--file', file, '--reason', 'keyCompromise', '--dir', dir), 'Revoked 2, revoked before 0.')
  await writeFile(file, `${ids[0] ?? ''}\nnobody\n`)
  await t.rejects(run('revoke', '--file', file, '--dir', dir), { code: 'CERTS_UNKNOWN', message: '"nobody"' })
  await t.rejects(run('revoke', '--dir', dir), { code: 'CERTS_INPUT_INVALID' })
  await t.rejects(run('revoke', '--file', join(base, 'absent'), '--dir', dir), { code: 'CERTS_INPUT_INVALID', message: 'does not exist' })
  const spooled = (await Promise.all((await readdir(join(dir, 'audit'))).map(async (name) => await readFile(join(dir, 'audit', name), 'utf8')))).join('')
  for (const word of ['"made"', '"issued"', '"revoked"', 'keyCompromise', ...ids]) t.match(spooled, word)
  t.notMatch(spooled, 'PRIVATE KEY')
})

test('a device whose certificate has ended is revoked too, and told of', async (t) => {
  const dir = join(t.testdir(), 'certs')
  const id = randomUUID()
  await run('init', '--dir', dir)
  await run('issue', id, '--days', '0.00001', '--dir', dir)
  while ((await runJson<RecordJson[]>('show', id, '--dir', dir))[0]?.state !== 'expired') await delay(100)
  t.match(await run('revoke', id, '--reason', 'superseded', '--dir', dir), /^Revoked 0, revoked before 0\.\nNothing to revoke: /)
  t.match(await run('revoke', id, '--reason', 'keyCompromise', '--dir', dir), /^Revoked 1, revoked before 0\.\nOf 1 .* had ended/)
  t.match(await run('revoke', id, '--reason', 'keyCompromise', '--dir', dir), /^Revoked 0, revoked before 1\.\nstate/)
  t.match(await runJson('show', id, '--dir', dir), [{ state: 'revoked', revoked: { reason: 'keyCompromise' } }])
})

test('the issuing CA is changed on the command line', async (t) => {
  const dir = join(t.testdir(), 'certs')
  await run('init', '--dir', dir)
  await run('server', 'localhost', '--dir', dir)
  await run('issue', randomUUID(), '--dir', dir)
  t.match(await run('ca', 'status', '--dir', dir), /Phase: steady[\s\S]*issuing[\s\S]*100\.0 %[\s\S]*Next: pulsegate certs ca prepare\n/)
  t.match(await run('ca', 'prepare', '--dir', dir), /Phase: prepared[\s\S]*Next: pulsegate certs ca activate, or rollback/)
  t.match(await run('ca', 'activate', '--dir', dir), /certificate was issued anew[\s\S]*Phase: activated/)
  await t.rejects(run('ca', 'retire', '--dir', dir), { code: 'CERTS_CA_IN_USE', message: /^1 device has/ })
  await t.rejects(run('ca', 'retire', '--force', '--dir', dir), { code: 'CERTS_CA_IN_USE', message: /locks out 1 device .*--yes/ }, 'nobody can be asked here')
  t.match(await runJson('ca', 'retire', '--force', '--yes', '--dir', dir), { phase: 'steady', status: { cas: [{ state: 'retired' }, { state: 'issuing' }] } })
  t.match(await runJson('ca', 'rollback', '--dir', dir), { phase: 'activated' })
  t.match(await run('ca', 'rollback', '--dir', dir), /Phase: prepared/)
})

test('keys are put under a passphrase, changed and opened by files', async (t) => {
  const base = t.testdir({ weak: 'short' })
  const [dir, one, two] = [join(base, 'certs'), join(base, 'one'), join(base, 'two')]
  for (const [file, text] of [[one, 'correct horse battery'], [two, 'quite another phrase']] as const) await writeFile(file, text, { mode: 0o600 })
  await run('init', '--dir', dir, '--passphrase-file', one)
  await t.rejects(run('list', '--dir', dir), { code: 'CERTS_PASSPHRASE_UNUSABLE' })
  await run('server', 'localhost', '--encrypt', '--dir', dir, '--passphrase-file', one)
  t.match(await readFile(join(dir, 'server', 'server.key'), 'utf8'), 'ENCRYPTED')
  t.match(await run('passphrase', '--dir', dir, '--passphrase-file', one, '--new-passphrase-file', two), 'Under the new passphrase now')
  await t.rejects(run('list', '--dir', dir, '--passphrase-file', one), { code: 'CERTS_PASSPHRASE_UNUSABLE' })
  t.match(await run('passphrase', '--dir', dir, '--passphrase-file', two, '--remove'), 'Without a passphrase now')
  await run('list', '--dir', dir)
  await t.rejects(run('passphrase', '--dir', dir), { code: 'CERTS_INPUT_INVALID' })
})

test('every command explains itself with an example', async (t) => {
  for (const { name } of certsCommand().commands.map((command) => ({ name: command.name() }))) {
    const printed: string[] = []
    const certs = certsCommand()
    for (const command of certs.commands) command.exitOverride().configureOutput({ writeOut: (text) => { printed.push(text) } })
    await t.rejects(certs.parseAsync([name, '--help'], { from: 'user' }), { code: 'commander.helpDisplayed' })
    t.match(printed.join(''), `Examples:\n  pulsegate certs ${name}`)
    t.match(printed.join(''), '--dir')
    t.notMatch(printed.join('').replace(/\s+/g, ' '), /\(default: [^)]*\) \(default/, `${name} names each default once`)
  }
})
