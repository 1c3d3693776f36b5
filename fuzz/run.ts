// Runs one target in a thread of its own and watches it from outside: a thread that hangs cannot say so itself. What it finds is written
// to the corpus as a file that makes it happen again.
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { corpusRoot as ownCorpus, keepCrash } from './corpus.ts'
import { findTarget } from './targets.ts'
import { headerBytes, mostInputBytes, type Orders, type Progress, type Said } from './worker-words.ts'

export interface RunOptions {
  readonly target: string
  readonly seed: number
  readonly iterations?: number
  readonly seconds?: number
  /** Where the corpus is read and findings are written; default fuzz/corpus. */
  readonly corpusRoot?: string
  /** Grow the corpus: the first input of each outcome that nothing kept has yet. */
  readonly keep?: boolean
  readonly onProgress?: (inputs: number) => void
}

export interface RunReport {
  readonly target: string
  readonly seed: number
  readonly runs: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly finding: { readonly fault: string, readonly file: string } | null
}

const worker = fileURLToPath(new URL('dist/fuzz/worker.js', import.meta.resolve('#package')))
const lookEveryMs = 250
/** What a target may take to open and to close. */
const openMs = 60_000

export async function runTarget ({ target: name, seed, iterations = Infinity, seconds = Infinity, corpusRoot = ownCorpus, keep = false, onProgress }: RunOptions): Promise<RunReport> {
  const target = await findTarget(name)
  const shared = new SharedArrayBuffer(headerBytes + mostInputBytes)
  const orders: Orders = { target: name, seed, iterations, untilMs: Date.now() + seconds * 1_000, corpusRoot, keep, shared }
  const thread = new Worker(worker, { workerData: orders, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 512 } })
  const watch = watchdog(shared, target.hangAfterMs, onProgress)
  const said = await Promise.race([
    once(thread, 'message').then(([message]) => message as Said),
    once(thread, 'exit').then(() => ({ fault: 'the thread ended', progress: none })),
    watch.hung.then((fault) => ({ fault, progress: none }))
  ]).catch((error: unknown): Said => ({ fault: `the thread died: ${error instanceof Error ? error.message : String(error)}`, progress: none }))
  watch.stop()
  await thread.terminate()
  if ('done' in said) return { target: name, seed, ...said.done, finding: null }
  const runs = said.progress === none ? Atomics.load(new Int32Array(shared, 0, 2), 0) : said.progress.runs
  return { target: name, seed, ...said.progress, runs, finding: { fault: said.fault, file: keepCrash(name, inputIn(shared), corpusRoot) } }
}

const none: Progress = { runs: 0, outcomes: {} }

function inputIn (shared: SharedArrayBuffer): Buffer {
  const length = Atomics.load(new Int32Array(shared, 0, 2), 1)
  return Buffer.from(Buffer.from(shared, headerBytes, length))
}

function watchdog (shared: SharedArrayBuffer, hangAfterMs: number, onProgress?: (inputs: number) => void): { hung: Promise<string>, stop: () => void } {
  const header = new Int32Array(shared, 0, 2)
  let begun = 0
  let sinceMs = performance.now()
  let stop = (): void => {}
  const hung = new Promise<string>((resolve) => {
    const timer = setInterval(() => {
      const now = Atomics.load(header, 0)
      if (now !== begun) {
        begun = now
        sinceMs = performance.now()
        onProgress?.(begun)
      } else if (performance.now() - sinceMs > (begun === 0 ? openMs : hangAfterMs)) resolve(begun === 0 ? 'the target did not open' : `one input took more than ${hangAfterMs} ms`)
    }, lookEveryMs)
    stop = () => { clearInterval(timer) }
  })
  return { hung, stop }
}
