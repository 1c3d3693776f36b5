// What a process does about signals and about its own bugs. First SIGINT/SIGTERM: soft, drain and finish. Second: hard,
// give up what is unfinished and leave within a second. An exception nobody caught means a state nobody understands:
// log it and exit 1 at once; what was not acknowledged will be sent again.
import { type Lifecycle } from './lifecycle.ts'
import { type Logger } from './observability.ts'

const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const
const signals = ['SIGINT', 'SIGTERM'] as const

/** After the second signal, how long releases have before the process exits under them. */
const hardExitAfterMs = 1_000

// Ctrl-C reaches the whole process group, and npm passes its own on: one key press, two signals a few ms apart.
const echoWithinMs = 300

export interface SignalOptions {
  readonly lifecycle: Lifecycle
  readonly log: Logger
  /** For tests; default process.exit. Called with 128 + the signal's number, or 1 after an uncaught error. */
  readonly exit?: (code: number) => void
}

/** Takes over the process's signals and uncaught errors. Returns a function that gives them back. */
export function handleSignals ({ lifecycle, log, exit = (code) => process.exit(code) }: SignalOptions): () => void {
  let received = 0
  let last: { readonly signal: NodeJS.Signals, readonly at: number } | null = null
  const onSignal = (signal: NodeJS.Signals) => {
    const code = 128 + (signal === 'SIGINT' || signal === 'SIGTERM' ? signalNumbers[signal] : 0)
    const at = performance.now()
    const isEcho = last !== null && last.signal === signal && at - last.at < echoWithinMs
    if (isEcho) return
    last = { signal, at } // not of the echo: who keeps pressing must be heard
    received++
    if (received === 1) {
      log.info({ signal }, 'stopping: finishing what was taken; once more stops at once')
      lifecycle.stop(signal)
    } else if (received === 2) {
      log.warn({ signal }, 'stopping at once')
      lifecycle.hardStop(signal)
      setTimeout(() => exit(code), hardExitAfterMs).unref()
    } else {
      exit(code)
    }
  }
  const onFatal = (err: unknown) => {
    log.fatal({ err }, 'a fault nobody handled: exiting')
    exit(1)
  }
  for (const signal of signals) process.on(signal, onSignal)
  process.on('uncaughtException', onFatal)
  process.on('unhandledRejection', onFatal)
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
    process.off('uncaughtException', onFatal)
    process.off('unhandledRejection', onFatal)
  }
}
