// The load generator (generator/*.c): compiled on demand, run on its own core, watched from outside. Gives what it
// measured together with the CPU time that the watched processes used in exactly that window.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuOf } from './cpu.ts'
import { cacheDirectory, projectDirectory } from './places.ts'
import { loadCore, Pinned } from './pinned.ts'
import { type Identities } from './identities.ts'

const sources = { load: ['load.c', 'connection.c', 'device.c'], subscribe: ['subscribe.c'] }
// a Node server under this load is compiled by then: rates no longer rise
const warmCpuMs = 2_500
const warmTimeoutMs = 20_000

const flags = ['-std=c11', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra']

/** Compiles one of the two programs when its sources are newer than it, and returns its path. */
export function compile (program: keyof typeof sources): string {
  const folder = join(projectDirectory, 'bench', 'generator')
  const output = join(cacheDirectory, program)
  const files = [...sources[program], 'connection.h', 'device.h', 'histogram.h'].map((name) => join(folder, name))
  if (existsSync(output) && files.every((file) => statSync(file).mtimeMs < statSync(output).mtimeMs)) return output
  mkdirSync(cacheDirectory, { recursive: true })
  try {
    execFileSync('cc', [...flags, '-o', output, ...files.filter((file) => file.endsWith('.c')), '-lssl', '-lcrypto'], { stdio: 'pipe' })
  } catch (error) {
    const detail = (error as { stderr?: Buffer }).stderr?.toString().split('\n').slice(0, 5).join('\n') ?? ''
    throw new Error(`cannot compile the load generator: it needs a C compiler and OpenSSL's headers (Debian: apt-get install gcc libc6-dev libssl-dev)\n${detail}`)
  }
  return output
}

/** How many connections, and how many messages each keeps unacknowledged. */
export interface Shape {
  readonly connections: number
  readonly window: number
}

/** The two shapes of load: few busy connections (writes coalesce), and very many idle ones (each message wakes everybody up). */
export const shapes: readonly Shape[] = [{ connections: 50, window: 16 }, { connections: 1_000, window: 1 }]

export function shapeName ({ connections, window }: Shape): string {
  return `${connections.toLocaleString('en')} x ${window}`
}

/** A file with a payload, and where in it the generator writes what makes every message a new one (0: nowhere). */
export interface Payload {
  readonly file: string
  readonly bootAt: number
  readonly seqAt: number
  readonly wallAt: number
}

export interface LoadTarget {
  readonly port: number
  readonly identities: Identities
  readonly seconds: number
  /** pids whose CPU time (with their descendants') is taken over the window */
  readonly watch: Readonly<Record<string, number>>
}

export interface LoadResult {
  readonly messages: number
  readonly seconds: number
  /** While the load lasted; the same as `messages` and `seconds` unless those go on until all have come to rest. */
  readonly acknowledged: { readonly messages: number, readonly seconds: number }
  /** share of its core the generator used; near 1 the generator itself may be the limit */
  readonly generatorCpu: number
  readonly acknowledgedTotal: number
  readonly latencyUs: { readonly p50: number, readonly p90: number, readonly p99: number, readonly max: number }
  /** ms of CPU in the window, by the name given in `watch` */
  readonly cpuMs: Readonly<Record<string, number>>
}

export interface ConnectResult extends Pick<LoadResult, 'seconds' | 'generatorCpu' | 'cpuMs'> {
  readonly connects: number
  readonly resumed: number
}

/** Waits until `messages` acknowledged messages have come to rest; the measured window then ends there. */
export type Settled = (messages: number) => Promise<void>

function start (target: LoadTarget, args: readonly string[]): Pinned {
  const { port, identities, seconds } = target
  return new Pinned(loadCore, compile('load'), [
    '--port', String(port), '--ca', identities.caFile, '--devices', identities.devicesDirectory, '--seconds', String(seconds), ...args
  ])
}

/** Until the server has worked enough for its code to be compiled; by its CPU time, for a busy machine gives it less of it. */
async function warm (watch: LoadTarget['watch']): Promise<void> {
  const used = (): number => Object.values(cpuOf(watch)).reduce((sum, ms) => sum + ms, 0)
  const enoughMs = used() + warmCpuMs
  for (const giveUpAt = Date.now() + warmTimeoutMs; used() < enoughMs && Date.now() < giveUpAt;) await sleep(50)
}

function now (watch: LoadTarget['watch']): { atMs: number, cpuMs: Readonly<Record<string, number>> } {
  return { atMs: performance.now(), cpuMs: cpuOf(watch) }
}

/** `whole`, with `settled` only: all messages, and the time until they had come to rest. */
async function measured<Result> (target: LoadTarget, args: readonly string[], settled?: Settled): Promise<Result & Pick<LoadResult, 'cpuMs'> & { whole?: LoadResult['acknowledged'] }> {
  const generator = start(target, args)
  try {
    await generator.until('warming')
    let started = now(target.watch) // the first messages have just been sent
    if (settled === undefined) await warm(target.watch)
    generator.tell('measure')
    await generator.until('measuring')
    if (settled === undefined) started = now(target.watch)
    await generator.until('measured')
    let after = cpuOf(target.watch)
    const result = await generator.until('result') as Result & { closed: number, misordered?: number }
    if (result.misordered) throw new Error(`${result.misordered} acknowledgements came out of order (MQTT-4.6.0-2)`)
    if (result.closed > 0) throw new Error(`${result.closed} connections were lost under load`)
    let whole
    if (settled !== undefined) {
      const messages = Number((result as { acknowledgedTotal?: number }).acknowledgedTotal)
      await settled(messages)
      after = cpuOf(target.watch)
      whole = { messages, seconds: (performance.now() - started.atMs) / 1_000 }
    }
    const cpuMs = Object.fromEntries(Object.keys(target.watch).map((name) => [name, (after[name] ?? NaN) - (started.cpuMs[name] ?? NaN)]))
    return { ...result, cpuMs, ...(whole && { whole }) }
  } finally {
    await generator.stop()
  }
}

/**
 * Publishes in the given shape and measures what is acknowledged; returns when everything sent has been. With `settled`, for
 * systems that acknowledge before they store: all messages count, from the first one sent until all have come to rest.
 */
export async function publishLoad (target: LoadTarget, shape: Shape, payload: Payload, settled?: Settled): Promise<LoadResult> {
  const { whole, ...result } = await measured<Omit<LoadResult, 'acknowledged'> & { sentTotal: number }>(target, [
    '--mode', 'publish', '--connections', String(shape.connections), '--window', String(shape.window),
    '--payload', payload.file, '--boot-at', String(payload.bootAt), '--seq-at', String(payload.seqAt), '--wall-at', String(payload.wallAt)
  ], settled)
  if (result.acknowledgedTotal !== result.sentTotal) throw new Error(`only ${result.acknowledgedTotal} of ${result.sentTotal} messages were acknowledged`)
  const acknowledged = { messages: result.messages, seconds: result.seconds }
  return { ...result, acknowledged, ...whole }
}

/** Connects and leaves, `atATime` connections at a time; `resume`: with TLS session tickets. Needs 4 x atATime devices. */
export async function connectLoad (target: LoadTarget, atATime: number, resume: boolean): Promise<ConnectResult> {
  const args = ['--mode', 'connect', '--connections', String(atATime)]
  return await measured<ConnectResult>(target, resume ? [...args, '--resume'] : args)
}

/** Opens `connections` and holds them until `body` is done. */
export async function whileHolding<T> (target: LoadTarget, connections: number, body: () => Promise<T>): Promise<T> {
  const generator = start(target, ['--mode', 'hold', '--connections', String(connections)])
  try {
    await generator.until('holding')
    const result = await body()
    generator.finish()
    const { closed } = await generator.until('result')
    if (closed !== 0) throw new Error(`${String(closed)} idle connections were lost`)
    return result
  } finally {
    await generator.stop()
  }
}
