// Keeps the server running: when it ends though nobody stopped it (killed for memory, a crash), it is started again on the
// same port after a jittered wait, and the worker's own retries find it there. Commits made before are safe: fsync is on.
import { type Logger } from '../../runtime/observability.ts'
import { backoffMs, sleep } from '../../runtime/retry.ts'
import { startServer, type Server, type ServerOptions } from './server.ts'

/** First restart within half a second, then slower; a server that cannot start is tried every 30 s at most. */
const restart = { baseMs: 500, capMs: 30_000 }

export interface Supervised {
  readonly pid: number
  readonly port: number
  close (hard?: AbortSignal): Promise<void>
}

/** Starts the server and keeps it up until closed. Throws what startServer throws, at the first start only. */
export async function superviseServer (options: Omit<ServerOptions, 'port'>, port: number, log: Logger): Promise<Supervised> {
  const closing = new AbortController()
  let server = await startServer({ ...options, port })
  // when this process ends in a way that skips close (process.exit), the server must not stay behind
  const onExit = () => { server.child.kill('SIGINT') }
  process.on('exit', onExit)
  const watching = watch()

  async function watch (): Promise<void> {
    while (!closing.signal.aborted) {
      await ended(server)
      if (closing.signal.aborted) return
      log.error({ pid: server.pid, exit: server.child.signalCode ?? server.child.exitCode }, 'the database ended by itself: starting it again')
      const again = await startAgain()
      if (again) server = again
    }
  }

  async function startAgain (): Promise<Server | null> {
    for (let attempt = 0; !closing.signal.aborted; attempt++) {
      try {
        await sleep(backoffMs({ ...restart, attempt }), closing.signal)
        const again = await startServer({ ...options, port, signal: closing.signal })
        log.info({ pid: again.pid }, 'database started again')
        return again
      } catch (err) {
        if (!closing.signal.aborted) log.error({ err }, 'the database did not start again')
      }
    }
    return null
  }

  return {
    get pid () { return server.pid },
    port,
    close: async (hard) => {
      closing.abort()
      await server.stop(hard)
      await watching
      process.off('exit', onExit)
    }
  }
}

function ended ({ child }: Server): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else child.once('exit', () => resolve())
  })
}
