// `npm run proof`: `pulsegate proof` with servers to break. Gets Redis 7.0 and PostgreSQL with TimescaleDB from Debian's
// packages, unpacked privately, and names them to the proof in REDIS_SERVER (the program redis-server) and PG_BIN (the folder
// of initdb and postgres), unless those are set already. Where they cannot be had it says so and goes on: the proof then looks
// for redis-server in PATH and uses the PostgreSQL that Pulsegate brings. Arguments, terminal, signals and exit code are the proof's.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unpackRedis } from './redis-server.ts'
import { unpackTimescale } from './server.ts'

const tools = { REDIS_SERVER: unpackRedis, PG_BIN: unpackTimescale }
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
// by then it is plainly downloading
const sayAfterMs = 2_000

const args = process.argv.slice(2)
const asksForHelp = args.includes('--help') || args.includes('-h')
pass(asksForHelp ? {} : await getTools())

/** Environment variables for the tools that are not given and can be had. */
async function getTools (): Promise<Record<string, string>> {
  const timer = setTimeout(() => { say('fetching Redis and TimescaleDB from Debian’s packages, once ...') }, sayAfterMs)
  const env: Record<string, string> = {}
  for (const [name, unpack] of Object.entries(tools)) {
    if ((process.env[name] ?? '') !== '') continue
    try {
      env[name] = await unpack()
    } catch (error) {
      say(`going on without ${name}: ${reason(error as Error)}`)
    }
  }
  clearTimeout(timer)
  return env
}

/** The scripts' last word where there is one: a failed command's message holds all that it printed. */
function reason (error: Error): string {
  const lines = error.message.trim().split('\n')
  return (lines.findLast((line) => line.includes('error: ')) ?? lines[0] ?? '').replace(/^.*?error: /, '')
}

function say (text: string): void { process.stderr.write(`proof: ${text}\n`) }

/** Runs the proof in this process's place. */
function pass (env: Record<string, string>): void {
  const program = join(fileURLToPath(import.meta.resolve('#package')), '..', 'dist', 'cli', 'main.js')
  const child = spawn(process.execPath, ['--enable-source-maps', program, 'proof', ...args], { stdio: 'inherit', env: { ...process.env, ...env } })
  for (const signal of signals) process.on(signal, () => { child.kill(signal) })
  child.on('error', (error) => {
    say(`cannot be started: ${error.message}`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 1
    if (signal === null) return
    for (const name of signals) process.removeAllListeners(name)
    process.kill(process.pid, signal) // ended as the proof did
  })
}
