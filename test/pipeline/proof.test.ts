// The proof as a person runs it: one scenario and one negative control against real processes, briefly; and Ctrl-C in the middle.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'
import { type RunReport } from '../../proof/report.ts'
import { testFolder } from '../fixtures/folder.ts'
import { unpackRedis } from '../services/redis-server.ts'
import { unpackTimescale } from '../services/server.ts'
import { needsServices } from '../services/skip.ts'

const main = join(fileURLToPath(import.meta.resolve('#package')), '..', 'dist', 'cli', 'main.js')

async function startProof (t: Test, ...args: string[]) {
  if (!existsSync(main)) throw new Error('this test runs the compiled program: `npm run build` first')
  const directory = testFolder(t)
  const child = spawn(process.execPath, [main, 'proof', '--fleet', '20', '--seed', '7', '--keep', join(directory, 'kept'), '--json', join(directory, 'report.json'), ...args], {
    env: { ...process.env, REDIS_SERVER: await unpackRedis(), PG_BIN: await unpackTimescale() }, stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => { child.kill('SIGKILL') })
  const said = { text: '' }
  for (const stream of [child.stdout, child.stderr] as Readable[]) stream.on('data', (chunk: Buffer) => { said.text += chunk.toString() })
  return { child, directory, said, report: () => JSON.parse(readFileSync(join(directory, 'report.json'), 'utf8')) as RunReport }
}

/** Command lines of processes that were started with something in `directory`. */
function processesIn (directory: string): string[] {
  return execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' }).split('\n').filter((line) => line.includes(directory))
}

test('a worker is killed under load: green; a stream is trimmed by length: red, as it must be', { ...needsServices, timeout: 300_000 }, async (t) => {
  const { child, directory, said, report } = await startProof(t, '--scenario', 'kill-worker', '--scenario', 'control-xtrim-maxlen', '--duration', '6s')
  const [code] = await once(child, 'exit') as [number | null]
  t.equal(code, 0, said.text)
  const { seed, passed, scenarios } = report()
  t.match({ seed, passed }, { seed: 7, passed: true })
  const [kill, control] = scenarios
  t.match(kill, { name: 'kill-worker', outcome: 'green', passed: true })
  t.ok((kill?.facts?.devices.acknowledged ?? 0) > 100)
  t.ok(kill?.facts?.faults.some(({ fault, happened }) => fault.kind === 'kill' && happened))
  t.ok(kill?.checks.every(({ ok }) => ok))
  t.match(control, { name: 'control-xtrim-maxlen', expect: 'red', outcome: 'red', passed: true })
  t.equal(control?.checks.find(({ name }) => name === 'lost')?.ok, false)
  t.strictSame(processesIn(directory), [])
})

test('Ctrl-C in the middle: it ends in order, reports what it has, and leaves no process behind', { ...needsServices, timeout: 300_000 }, async (t) => {
  const { child, directory, said, report } = await startProof(t, '--scenario', 'no-fault', '--duration', '5m')
  const log = join(directory, 'kept', 'no-fault')
  while (!existsSync(log) || !readdirSync(log).includes('fleet-1')) {
    if (child.exitCode !== null) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  child.kill('SIGINT')
  const [code] = await once(child, 'exit') as [number | null]
  t.equal(code, 1, said.text)
  t.match(said.text, /Stopped before the end/)
  t.match(report(), { passed: false, scenarios: [] })
  t.strictSame(processesIn(directory), [])
})
