// The newcomer's command, as compiled: one JSON line that agrees with itself, a second start that finds the first one's data, and
// Ctrl-C that drains and compares. On the embedded database, without anything beforehand.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const main = fileURLToPath(new URL('./dist/cli/main.js', import.meta.resolve('#package')))

interface Result {
  acknowledged: number
  stored: number
  missing: number
  duplicates: number
  quarantined: number
  samples: number
  waves: number
  p50Ms: number
  p99Ms: number
  database: string
}

interface Ended { code: number | null, stdout: string, stderr: string }

function up (data: string, ...flags: string[]): { child: ChildProcess, ended: Promise<Ended> } {
  const child = spawn(process.execPath, [main, 'up', '--data', data, '--mqtt-port', '0', '--health-port', '0', '--est-port', '0', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => { stdout += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString() })
  return { child, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr })) }
}

test('up --for --json prints one line that agrees with itself; a second start goes on with the first one\'s data', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'pulsegate-up-'))
  t.teardown(() => rm(data, { recursive: true, force: true }))
  for (const run of ['first', 'second']) {
    const { code, stdout, stderr } = await up(data, '--for', '6s', '--json').ended
    t.equal(code, 0, `${run} run exits 0`) || t.comment(stderr)
    t.equal(stdout.trim().split('\n').length, 1, 'one line on standard output')
    const result = JSON.parse(stdout) as Result
    t.match(result, { missing: 0, duplicates: 0, quarantined: 0, database: 'embedded' })
    t.ok(result.acknowledged > 0 && result.samples > 0 && result.waves > 0, 'devices of several kinds were at work')
    t.ok(result.stored >= result.acknowledged)
    t.ok(result.p50Ms > 0 && result.p99Ms >= result.p50Ms)
    t.equal(stderr.includes('making the database'), run === 'first', 'the second run finds the database of the first')
  }
})

test('Ctrl-C drains, compares and says how to look further, with no password in it [C9]', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'pulsegate-up-'))
  t.teardown(() => rm(data, { recursive: true, force: true }))
  const { child, ended } = up(data)
  // the first plain line: everything is up and devices are at work
  await new Promise<void>((resolve) => { child.stdout?.on('data', (chunk: Buffer) => { if (chunk.includes('messages/s')) resolve() }) })
  child.kill('SIGINT')
  const { code, stdout } = await ended
  t.equal(code, 0)
  t.match(stdout, /Ledger and database agree: .* every one stored exactly once/)
  t.match(stdout, /psql 'postgres:/)
  const password = (await readFile(join(data, 'postgres', 'password'), 'utf8')).trim()
  t.notOk(stdout.includes(password), 'what is printed ends in journals: no password is in it')
  const command = /PGPASSWORD=\$\(cat '(?<file>[^']+)'\) psql/.exec(stdout)
  t.equal(command?.groups?.['file'], join(data, 'postgres', 'password'), 'but where it is kept')
  t.match(stdout, /SELECT \* FROM latest_reading/)
})

test('what is wrong with the configuration is said at once, with exit code 78; a wrong flag is usage', async (t) => {
  const faulty = await up('.pulsegate-never', '--retention', 'long', '--pool-size', '0').ended
  t.equal(faulty.code, 78)
  t.match(faulty.stderr, /2 faults/)
  t.match(faulty.stderr, /--retention/)
  t.match(faulty.stderr, /--pool-size/)
  t.equal((await up('.pulsegate-never', '--nope').ended).code, 2)
  t.equal((await up('.pulsegate-never', '--for', 'soon').ended).code, 2)
  t.equal((await up('.pulsegate-never', '--json', '--no-simulator').ended).code, 2)
})

test('a port that is taken is told at once, with the remedy', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'pulsegate-up-'))
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(async () => { taken.close(); await rm(data, { recursive: true, force: true }) })
  const { port } = taken.address() as AddressInfo
  const { code, stderr } = await up(data, '--mqtt-port', String(port), '--log-level', 'info').ended
  t.equal(code, 1)
  t.match(stderr, new RegExp(`PORT_UNAVAILABLE: the broker cannot listen on .*:${port}`))
  t.notMatch(stderr, /left behind|Unexpected/, 'everything that was open already is released')
})

test('asked to stop while it starts, it stops and calls that no failure', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'pulsegate-up-'))
  t.teardown(() => rm(data, { recursive: true, force: true }))
  const { child, ended } = up(data)
  child.stdout?.once('data', () => child.kill('SIGINT')) // "starting: database, …"
  const { code, stdout } = await ended
  t.equal(code, 0)
  t.match(stdout, /stopped before everything was up/)
})
