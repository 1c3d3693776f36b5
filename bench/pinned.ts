// Child processes on a core of their own. Takes a command and a core, gives its pid and its JSON lines one by one, and
// stops it for certain. What a child says on stderr is kept (its tail) for the error that tells of its death.
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { type Readable, type Writable } from 'node:stream'

/** The server side has core 0, whatever makes load has core 1. */
export const serverCore = 0
export const loadCore = 1

const stderrTailBytes = 4_096
const stopTimeoutMs = 20_000

export type JsonLine = Readonly<Record<string, unknown>>

/** Moves a process that runs already, with all its threads; what it starts from then on is pinned by birth. */
export function moveToCore (core: number, pid: number): void {
  // it may have ended meanwhile, as helper processes do: not worth stopping for
  spawnSync('taskset', ['--all-tasks', '--pid', '--cpu-list', String(core), String(pid)], { stdio: 'ignore' })
}

export class Pinned {
  readonly #name: string
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #lines: AsyncIterator<string>
  readonly #reader: Interface
  #stderr = ''

  constructor (core: number, command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#name = command.slice(command.lastIndexOf('/') + 1)
    this.#child = spawn('taskset', ['--cpu-list', String(core), command, ...args], { stdio: 'pipe', env })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrTailBytes)
    })
    this.#reader = createInterface({ input: this.#child.stdout })
    this.#lines = this.#reader[Symbol.asyncIterator]()
  }

  /** taskset replaces itself by the command, so this is the command's own pid. */
  get pid (): number {
    return this.#child.pid ?? NaN
  }

  get ended (): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** The next line whose `event` is the one given; others are skipped. Throws when the process ends first. */
  async until (event: string): Promise<JsonLine> {
    for (;;) {
      const next = await this.#lines.next()
      if (next.done === true) throw new Error(`${this.#name} ended before '${event}': ${this.#stderr.trim() || 'no message'}`)
      if (!next.value.startsWith('{')) continue
      const line = JSON.parse(next.value) as JsonLine
      if (line['event'] === event) return line
    }
  }

  /** Writes a line to its stdin. */
  tell (line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  /** Ends its stdin: the agreed sign to finish. */
  finish (): void {
    this.#child.stdin.end()
  }

  async stop (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.ended) {
      const ended = once(this.#child, 'exit')
      this.#child.kill(signal)
      const killer = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs)
      await ended
      clearTimeout(killer)
    }
    this.#reader.close()
  }
}
