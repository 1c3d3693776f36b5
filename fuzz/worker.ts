// The thread in which inputs run. It tells the watching thread, in memory that both share, which input it has in its hands before it runs it,
// so that a hang or a death leaves the input behind. Ends with a report, or with the first finding.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { Random } from '../simulator/random.ts'
import { keepInput, readCorpus } from './corpus.ts'
import { findTarget } from './targets.ts'
import { type Subject, type Target } from './target.ts'
import { headerBytes, type Orders, type Progress, type Said } from './worker-words.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const { target: name, seed, iterations, untilMs, corpusRoot, keep, shared } = workerData as Orders
const header = new Int32Array(shared, 0, 2)
const hands = Buffer.from(shared, headerBytes)
const outcomes: Record<string, number> = {}
let runs = 0

const target = await findTarget(name)
const subject = await target.open()
const said = await work(target, subject)
await subject.close()
parentPort?.postMessage(said)

async function work (target: Target, subject: Subject): Promise<Said> {
  const corpus = readCorpus(name, corpusRoot)
  const known = [...await target.seeds(), ...corpus.map(({ input }) => input)]
  const random = new Random('fuzz', name, seed)
  const startBytes = lastingBytes()
  for (const input of known) {
    const fault = await runOne(target, subject, input)
    if (fault !== null) return { fault, progress: progress() }
  }
  for (let i = 0; i < iterations && Date.now() < untilMs; i++) {
    const input = target.make(random, known)
    const kinds = Object.keys(outcomes).length
    const fault = await runOne(target, subject, input)
    if (keep && fault === null && Object.keys(outcomes).length > kinds) keepInput(name, input, corpusRoot)
    if (fault !== null) return { fault, progress: progress() }
  }
  const grown = lastingBytes() - startBytes
  return grown > target.growthBytes ? { fault: `memory grew by ${grown} bytes over ${runs} inputs`, progress: progress() } : { done: progress() }
}

async function runOne (target: Target, subject: Subject, input: Buffer): Promise<string | null> {
  input.copy(hands)
  Atomics.store(header, 1, input.length)
  Atomics.add(header, 0, 1)
  const [peakBytes, heldBytes] = [peak(), process.memoryUsage.rss()]
  let outcome: string
  try {
    outcome = await subject.run(input)
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ''}` : String(error)
  }
  runs++
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  if (!subject.outcomes.has(outcome)) return `an outcome that is not registered: ${outcome}`
  // the peak shows what was taken and given back, unless the process had as much before; what it still holds shows in any case
  const grown = Math.max(peak() - peakBytes, process.memoryUsage.rss() - heldBytes)
  return grown > target.growthBytes ? `one input took ${grown} bytes` : null
}

function progress (): Progress { return { runs, outcomes } }

/** The most the process has ever had, bytes. */
function peak (): number { return process.resourceUsage().maxRSS * 1024 }

/** After what is garbage is gone. */
function lastingBytes (): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
