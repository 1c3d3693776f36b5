// Data keys are made before they are needed: those of today and tomorrow, for every tenant, and kept unwrapped in memory. So a key service
// that is away, at midnight too, holds up no message for quarantine. Takes the tenants from the registry; a failure is logged, and tried
// again at the next turn.
import { setTimeout as delay } from 'node:timers/promises'
import { type Logger } from '../../runtime/observability.ts'
import { type Database } from '../database.ts'
import { dayOf } from '../quarantine-prepare.ts'
import { describeFault } from '../sqlstate.ts'
import { type DataKeys } from './data-keys.ts'

export interface KeysAheadOptions {
  readonly database: Database
  readonly keys: DataKeys
  readonly log: Logger
  /** Default 15 minutes: a new tenant waits as long at most, and keys in memory are looked after before they are old. */
  readonly everyMs?: number
  /** Ms since 1970 UTC. */
  readonly now?: () => number
}

export interface KeysAhead {
  /** Makes what is missing; gives how many keys are ready. Errors: see DataKeys.toSeal. */
  turn (): Promise<number>
  close (): Promise<void>
}

const dayMs = 86_400_000
/** With two days each they fit into the memory of DataKeys; beyond it keys are made when they are needed. */
const mostTenants = 4_000

export function keepKeysAhead ({ database, keys, log, everyMs = 900_000, now = Date.now }: KeysAheadOptions): KeysAhead {
  const stopping = new AbortController()

  async function turn (): Promise<number> {
    const { rows } = await database.query<{ tenant: string }>('SELECT DISTINCT tenant FROM device WHERE tenant IS NOT NULL ORDER BY 1 LIMIT $1', [mostTenants])
    if (rows.length === mostTenants) log.warn({ tenants: mostTenants }, 'data keys are made ahead for so many tenants only')
    await keys.forDigests()
    let ready = 0
    for (const atMs of [now(), now() + dayMs]) {
      // '': devices without a tenant, and unknown ones
      for (const tenant of ['', ...rows.map((row) => row.tenant)]) {
        if (stopping.signal.aborted) return ready
        await keys.toSeal(tenant, dayOf(atMs), 0)
        ready++
      }
    }
    return ready
  }

  async function run (): Promise<void> {
    while (!stopping.signal.aborted) {
      await turn().catch((error: unknown) => {
        if (!stopping.signal.aborted) log.warn({ fault: describeFault(error) }, 'data keys could not be made ahead; tried again later')
      })
      await delay(everyMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {})
    }
  }

  const running = run()
  return {
    turn,
    async close () {
      stopping.abort()
      await running
    }
  }
}
