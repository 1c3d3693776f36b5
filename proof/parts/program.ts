// A `pulsegate broker` or `pulsegate ingest` of the set-up as a process of its own, as a person would start it: its arguments, its
// environment and nothing of ours, its log in a file, its health asked over HTTP. Nothing inside it is reached in another way.
import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Logger } from '../../runtime/observability.ts'
import { launch, treeVerbs, waitForAnswer, type Child, type End } from './child.ts'
import { type Part } from './part.ts'
import { parseMetrics } from './prometheus.ts'

export interface ProgramOptions {
  readonly name: string
  /** The program's main file, compiled. */
  readonly main: string
  /** Its command and flags. */
  readonly args: readonly string[]
  /** All of its environment, but for PATH and HOME. */
  readonly env: Readonly<Record<string, string>>
  /** Arguments of Node itself, such as `--import` of the clock that can be shifted. */
  readonly nodeArgs?: readonly string[]
  /** Where it serves /healthz, /readyz and /metrics. */
  readonly health: { readonly host: string, readonly port: number }
  /** Its log is `<directory>/<name>.log`; made when absent. */
  readonly directory: string
  readonly log: Logger
  /** When start() has done: when it runs (/healthz), or when it can work (/readyz). Default: when it can work. */
  readonly standsWhen?: 'healthz' | 'readyz'
  readonly startWithinMs?: number
  /** How long it may drain before it is killed. */
  readonly stopWithinMs?: number
}

export interface Readiness {
  readonly ready: boolean
  /** `check: reason` of each check that is not ready. */
  readonly reasons: readonly string[]
  readonly checks: Readonly<Record<string, Check>>
}

export interface Check {
  readonly ready: boolean
  readonly reason?: string
  readonly detail?: Readonly<Record<string, string | number | boolean | null>>
}

export interface Program extends Part {
  /** Of its process now, or of the last; null before the first start. */
  readonly pid: number | null
  /** How its process ends, or has ended; null before the first start. */
  readonly ended: Promise<End> | null
  /** How the last process ended; null while one runs, and before the first start. */
  readonly lastEnd: End | null
  /** Asks /readyz. Rejects when it does not answer in time: it has no process, or that stands still. */
  readyz (): Promise<Readiness>
  /** All series of /metrics: `name{labels}` → value. Rejects when it does not answer in time. */
  metrics (): Promise<Map<string, number>>
  /** For the next start; undefined takes a variable away. */
  setEnv (changes: Readonly<Record<string, string | undefined>>): void
  /** The last lines of its log since it was last started. */
  logTail (lines: number): Promise<string>
}

const askWithinMs = 2_000

/** Describes a process; start() starts it. */
export function program (options: ProgramOptions): Program {
  const { name, health, directory, log, nodeArgs = [], standsWhen = 'readyz', startWithinMs = 30_000, stopWithinMs = 20_000 } = options
  const env = new Map(Object.entries({ PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? homedir(), ...options.env }))
  let child: Child | null = null
  let lastEnd: End | null = null
  const running = () => child?.running ?? false
  const ask = (path: string) => fetch(`http://${health.host}:${health.port}/${path}`, { signal: AbortSignal.timeout(askWithinMs), headers: { connection: 'close' } })

  async function start (): Promise<void> {
    if (running()) return
    await mkdir(directory, { recursive: true })
    const command = [process.execPath, '--enable-source-maps', ...nodeArgs, resolve(options.main), ...options.args]
    const started = child = await launch({ command, env: Object.fromEntries(env), logFile: resolve(join(directory, `${name}.log`)) })
    lastEnd = null
    started.ended.then((end) => { if (child === started) lastEnd = end }).catch(() => {})
    await waitForAnswer(name, started, () => ask(standsWhen).then(({ ok, body }) => dropped(body).then(() => ok), () => false), startWithinMs)
    log.debug({ name, pid: started.pid }, 'process started')
  }

  return {
    name,
    get running () { return running() },
    get pid () { return child?.pid ?? null },
    get ended () { return child?.ended ?? null },
    get lastEnd () { return lastEnd },
    start,
    stop: async () => { await child?.stop('SIGTERM', stopWithinMs) },
    kill: async () => { await child?.kill() },
    ...treeVerbs(() => running() ? child?.pid ?? null : null),
    readyz: async () => {
      const { ready, checks } = await (await ask('readyz')).json() as Pick<Readiness, 'ready' | 'checks'>
      const reasons = Object.entries(checks).filter(([, check]) => !check.ready).map(([check, { reason }]) => `${check}: ${reason ?? 'not ready'}`)
      return { ready, reasons, checks }
    },
    metrics: async () => parseMetrics(await (await ask('metrics')).text()),
    setEnv: (changes) => {
      for (const [variable, value] of Object.entries(changes)) {
        if (value === undefined) env.delete(variable)
        else env.set(variable, value)
      }
    },
    logTail: async (lines) => await child?.said(lines) ?? ''
  }
}

/** A body nobody reads would hold its connection. */
async function dropped (body: ReadableStream | null): Promise<void> {
  await body?.cancel()
}
