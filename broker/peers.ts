// This broker among others: tells them which sessions begin here, with which certificate, and which serials its lists revoke, and does what they tell. Of two
// sessions of one device the newer stays: hearing of a newer one ends ours; hearing of an older one, which the other broker
// takes for the only one, is answered by telling of ours again. So one side that tells everything after a gap is enough.
import { type PeerListener, type Peers, type SessionMark } from '../queue/peers.ts'
import { type Guard } from './guard.ts'
import { isNewer } from './order.ts'
import { type Revocations } from './revocations.ts'
import { type Sessions } from './sessions.ts'

export interface PeeringServices {
  readonly peers: Peers
  readonly sessions: Sessions
  readonly revocations: Revocations
  readonly guard: Guard
  /** Serials were revoked that were not before: end what lives by them. */
  readonly revoked: () => void
}

/** Starts listening; the returned function ends it. */
export function joinPeers ({ peers, sessions, revocations, guard, revoked }: PeeringServices): () => void {
  const listener: PeerListener = {
    begun (marks, brokerId) {
      if (brokerId === peers.brokerId) return // an echo of ours
      for (const mark of marks) {
        sessions.clock.heard(mark.sinceMs)
        const ours = sessions.mark(mark.id)
        if (ours === undefined) continue
        if (isNewer(mark, brokerId, ours, peers.brokerId)) sessions.end(mark.id, 'displaced', { by: brokerId })
        else peers.begun(ours)
      }
    },
    used (uses) { for (const use of uses) guard.heard(use) },
    revoked (serials) {
      if (revocations.tell(serials).length > 0) revoked()
    },
    sessions: () => sessions.marks(),
    revocations: () => revocations.listed
  }
  sessions.onBegun = (mark: SessionMark) => peers.begun(mark)
  guard.onUsed = (use) => peers.used(use)
  const leave = peers.listen(listener)
  return () => {
    sessions.onBegun = () => {}
    guard.onUsed = () => {}
    leave()
  }
}
