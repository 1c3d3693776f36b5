// Takes back the certificates that a device no longer needs, once it has shown that it holds a newer one: takes what brokers accept, leaves
// the older ones revoked as `superseded`, for every broker and for good. The price is an entry in the revocation list for each renewal,
// until the old certificate's end and a list's life after it. Without it an old certificate simply ends by itself.
import { type AuditTrail } from '../runtime/audit.ts'
import { type Logger } from '../runtime/observability.ts'
import { type Authority } from './authority.ts'
import { JournalFollower } from './journal-follower.ts'

export interface SupersedeOptions {
  readonly authority: Pick<Authority, 'paths' | 'revokeAll'>
  readonly audit: AuditTrail
  readonly log: Logger
  /** So long sightings are gathered before one list is written for all of them. Default 2 s. */
  readonly gatherMs?: number
}

export interface Superseder {
  /** Tell it of every device that has connected, with the serial of the certificate it used; the same again costs nothing. Never throws. */
  seen (device: string, serial: string): void
  /** Does what is gathered at once, and ends. */
  close (): Promise<void>
}

/** Serials whose sighting has been dealt with; beyond it the oldest are looked at again, which finds nothing to do. */
const maxRemembered = 50_000

export function createSuperseder (options: SupersedeOptions): Superseder {
  const { authority, log, gatherMs = 2_000 } = options
  const follower = new JournalFollower(authority.paths.journal)
  const done = new Set<string>()
  let gathered = new Map<string, string>()
  let timer: NodeJS.Timeout | null = null
  let working: Promise<void> = Promise.resolve()
  const work = (): void => {
    timer = null
    const sightings = gathered
    gathered = new Map()
    working = working.then(() => supersede(options, follower, sightings)).catch((err: unknown) => {
      for (const serial of sightings.values()) done.delete(serial)
      log.error({ err, devices: sightings.size }, 'superseded certificates could not be revoked; it is tried again when their devices connect')
    })
  }
  return {
    seen (device, serial) {
      if (done.has(serial)) return
      done.add(serial)
      if (done.size > maxRemembered) done.delete(done.values().next().value as string)
      gathered.set(device, serial)
      timer ??= setTimeout(work, gatherMs)
    },
    close: async () => {
      if (timer !== null) {
        clearTimeout(timer)
        work()
      }
      await working
    }
  }
}

async function supersede ({ authority, audit }: SupersedeOptions, follower: JournalFollower, sightings: ReadonlyMap<string, string>): Promise<void> {
  const old: string[] = []
  for (const [device, newSerial] of sightings) old.push(...await follower.olderThan(device, newSerial, Date.now()))
  if (old.length === 0) return
  const { revoked } = await authority.revokeAll(old, 'superseded')
  for (const { serial, names: [device = ''] } of revoked) {
    audit.record({
      type: 'certificate',
      subtype: 'revoked',
      action: 'U',
      outcome: 'success',
      reason: 'superseded',
      agent: { id: 'pulsegate', role: 'service' },
      entity: { type: 'certificate', id: serial },
      detail: { device }
    })
  }
}

/** A trail that also tells `superseder` of every connection a broker has accepted. */
export function supersedingTrail (trail: AuditTrail, superseder: Pick<Superseder, 'seen'>): AuditTrail {
  return {
    record (event) {
      trail.record(event)
      const { id, role, certificateSerial } = event.agent
      if (event.type === 'connection' && event.subtype === 'accepted' && role === 'device' && certificateSerial !== undefined) superseder.seen(id, certificateSerial)
    }
  }
}
