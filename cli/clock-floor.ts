// A clock that is obviously wrong (a machine without a battery wakes in 1970) makes good certificates not valid yet, or ended ones good:
// the process waits for the time to be set, and says so, instead of refusing devices or issuing certificates from another century.
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { type Health } from '../runtime/health.ts'
import { type Logger } from '../runtime/observability.ts'
import { pemBlocks } from '../runtime/pem.ts'

/** This program is not older; moved on with each release. */
const writtenAtMs = Date.parse('2026-10-01T00:00:00Z')
const lookEveryMs = 500

export interface ClockOptions {
  /** The authority's bundle; what is in it was not issued in the future. */
  readonly caFile: string
  readonly health?: Health
  readonly log: Logger
  readonly signal: AbortSignal
}

/** Resolves when the clock is past all that is known to be past; rejects with the signal's reason. Adds the check `clock` to /readyz. */
export async function untilClockIsRight ({ caFile, health, log, signal }: ClockOptions): Promise<void> {
  const floorMs = Math.max(writtenAtMs, await lastBeginMs(caFile))
  const reason = (): string | null => Date.now() >= floorMs
    ? null
    : `this machine's clock says ${new Date().toISOString()}, which is before ${new Date(floorMs).toISOString()}, when ${floorMs === writtenAtMs ? 'this program was written' : `a CA in ${caFile} begins`}; set the clock (NTP)`
  health?.register('clock', () => {
    const why = reason()
    return why === null ? { ready: true } : { ready: false, reason: why }
  })
  const first = reason()
  if (first === null) return
  log.error({ now: new Date().toISOString() }, first)
  while (reason() !== null) await setTimeout(lookEveryMs, undefined, { signal })
  log.info({ now: new Date().toISOString() }, 'the clock is set; starting')
}

/** 0 when there is no bundle, or none that can be read: that is said elsewhere. */
async function lastBeginMs (caFile: string): Promise<number> {
  try {
    const begins = pemBlocks(await readFile(caFile, 'utf8'), 'CERTIFICATE').map((block) => Date.parse(new X509Certificate(block).validFrom))
    return Math.max(0, ...begins)
  } catch {
    return 0
  }
}
