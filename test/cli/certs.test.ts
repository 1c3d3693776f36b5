import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { createDeviceKeyAndRequest } from '../../certs/request.ts'
import { certsCommand } from '../../cli/certs.ts'

/** Runs `pulsegate certs <args>` in this process and gives what it printed. */
async function run (...args: string[]): Promise<string> {
  const printed: string[] = []
  const certs = certsCommand((text) => { printed.push(text) })
  for (const command of [certs, ...certs.commands]) {
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

test('every command explains itself with an example', async (t) => {
  for (const { name } of certsCommand().commands.map((command) => ({ name: command.name() }))) {
    const printed: string[] = []
    const certs = certsCommand()
    for (const command of certs.commands) command.exitOverride().configureOutput({ writeOut: (text) => { printed.push(text) } })
    await t.rejects(certs.parseAsync([name, '--help'], { from: 'user' }), { code: 'commander.helpDisplayed' })
    t.match(printed.join(''), `Examples:\n  pulsegate certs ${name}`)
    t.match(printed.join(''), '--dir')
  }
})
