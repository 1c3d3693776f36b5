// Asks the database for a sign of life every few seconds, so that readiness is known while no message comes. Takes the
// database, gives the reason why it cannot be used, from memory. One question at a time: a database that hangs collects none.
import { setTimeout as delay } from 'node:timers/promises'
import { type Database } from './database.ts'
import { describeFault } from './sqlstate.ts'

export interface Heartbeat {
  /** Why the database cannot be used, without any value of a row; null while it answers. */
  readonly fault: string | null
  close (): Promise<void>
}

export interface HeartbeatOptions {
  readonly everyMs?: number
  /** An answer that takes longer counts as none: it takes less than a millisecond. */
  readonly patienceMs?: number
}

export function startHeartbeat (database: Pick<Database, 'query'>, { everyMs = 5_000, patienceMs = 5_000 }: HeartbeatOptions = {}): Heartbeat {
  const stopping = new AbortController()
  let failed: string | null = null
  let askedAt: number | null = null

  async function beat (): Promise<void> {
    while (!stopping.signal.aborted) {
      askedAt = performance.now()
      failed = await database.query('SELECT 1').then(() => null, describeFault)
      askedAt = null
      await delay(everyMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {})
    }
  }

  const beating = beat()
  return {
    get fault () {
      const silentMs = askedAt === null ? 0 : performance.now() - askedAt
      return silentMs > patienceMs ? `database: no answer for ${Math.round(silentMs / 1_000)} s` : failed
    },
    async close () {
      stopping.abort()
      // a question that hangs ends by the statement's deadline; who stops has no time to wait for that
      if (askedAt === null) await beating
    }
  }
}
