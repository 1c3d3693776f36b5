// What `npm run proof` gives the proof, and what it passes on. A module that Node loads first stands in the proof's place and
// says what it was given; everything between is the real thing, started from dist/.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { type Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { test, type Test } from 'tap'
import { needsServices } from './skip.ts'

const program = join(fileURLToPath(import.meta.resolve('#package')), '..', 'dist', 'test', 'services', 'proof-tools.js')
const { REDIS_SERVER, PG_BIN, ...environment } = process.env

function run (t: Test, args: string[], proof: string, env: Record<string, string> = {}): ChildProcessByStdio<null, Readable, Readable> {
  const first = t.testdir({ 'first.mjs': `if (process.argv[2] === 'proof') { ${proof} }` })
  const NODE_OPTIONS = `--import=${join(first, 'first.mjs')}`
  const child = spawn(process.execPath, [program, ...args], { env: { ...environment, NODE_OPTIONS, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}

const tell = 'console.log(JSON.stringify([process.argv.slice(3), process.env.REDIS_SERVER ?? null, process.env.PG_BIN ?? null])); process.exit(7)'

test('the proof gets both servers, its arguments, and its exit code out', { ...needsServices, timeout: 600_000 }, async (t) => {
  const child = run(t, ['--kills', '3'], tell)
  const [out, [code]] = await Promise.all([text(child.stdout), once(child, 'exit') as Promise<[number | null]>])
  t.equal(code, 7)
  const [args, redis, postgres] = JSON.parse(out) as [string[], string, string]
  t.strictSame(args, ['--kills', '3'])
  for (const path of [redis, join(postgres, 'postgres'), join(postgres, 'initdb')]) t.doesNotThrow(() => { accessSync(path, constants.X_OK) }, path)
})

test('what is set already stays', async (t) => {
  const child = run(t, [], tell, { REDIS_SERVER: '/there/redis-server', PG_BIN: '/there', PULSEGATE_TEST_SKIP_SERVICES: '1' })
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  t.strictSame(JSON.parse(out), [[], '/there/redis-server', '/there'])
  t.equal(err, '')
})

test('where nothing can be had it says so and goes on', async (t) => {
  const child = run(t, [], tell, { PATH: '/nowhere', PULSEGATE_TEST_SERVICES: t.testdir() })
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit') as Promise<[number | null]>])
  t.equal(code, 7)
  t.strictSame(JSON.parse(out), [[], null, null])
  t.match(err.trimEnd().split('\n'), [/^proof: going on without REDIS_SERVER: /, /^proof: going on without PG_BIN: /])
  t.equal(err.trimEnd().split('\n').length, 2, err)
})

test('a signal reaches the proof, and its end is the end', async (t) => {
  const given = { REDIS_SERVER: 'x', PG_BIN: 'x' }
  const draining = run(t, [], 'setInterval(() => {}, 1000); process.on("SIGTERM", () => process.exit(9)); console.log("up"); await new Promise(() => {})', given)
  await once(draining.stdout, 'data')
  draining.kill('SIGTERM')
  t.strictSame(await once(draining, 'exit'), [9, null])
  const killed = run(t, [], 'process.kill(process.pid, "SIGKILL")', given)
  t.strictSame(await once(killed, 'exit'), [null, 'SIGKILL'])
})
