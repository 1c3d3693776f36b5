// Who is connected: our own registry of device id → front, which revocation, commands and displacement act on. Connects of
// one id take turns, from CONNECT until CONNACK has gone out: two at once leave Aedes with a session that is in no list
// and cannot be ended. The older session is ended, and let go of by Aedes, before the newer one begins [MQTT-3.1.4-2].
import { type SessionMark } from '../queue/peers.ts'
import { type Front } from './front.ts'
import { SessionClock } from './order.ts'
import { type RefusalFields, type RefusalReason } from './refusals.ts'

const letGoMs = 5_000 // Aedes lets go within a turn or two of the event loop; longer means something is stuck

interface Session { readonly front: Front, readonly mark: SessionMark }

export class Sessions {
  readonly clock = new SessionClock()
  /** Told of each session as it begins; broker/peers.ts passes it on. */
  onBegun: (mark: SessionMark) => void = () => {}
  readonly #live = new Map<string, Session>()
  readonly #turns = new Map<string, Promise<void>>()

  get (id: string): Front | undefined { return this.#live.get(id)?.front }

  /** Of the session of `id`; undefined when none lives, or it is being ended already. */
  mark (id: string): SessionMark | undefined {
    const session = this.#live.get(id)
    return session === undefined || session.front.stage === 'closed' ? undefined : session.mark
  }

  /** Of all sessions that live; sessions may come and go while it is read. */
  * marks (): IterableIterator<SessionMark> {
    for (const { front, mark } of this.#live.values()) if (front.stage !== 'closed') yield mark
  }

  ids (): IterableIterator<string> { return this.#live.keys() }

  /** Waits until earlier connects of this id are through. The turn ends with the call of the function it resolves to. */
  async turn (id: string): Promise<() => void> {
    const before = this.#turns.get(id)
    let end: () => void = () => {}
    const mine = new Promise<void>((resolve) => { end = resolve })
    this.#turns.set(id, mine)
    await before
    return () => {
      if (this.#turns.get(id) === mine) this.#turns.delete(id)
      end()
    }
  }

  /** Makes `front` the session of its device, after ending the older one. False: the older one could not be ended. */
  async takeOver (front: Front): Promise<boolean> {
    const { id } = front.identity
    const older = this.get(id)
    if (older !== undefined) {
      older.refuse('displaced')
      if (!await inTime(older.gone)) return false
    }
    if (front.stage === 'closed') return false
    const mark = { id, sinceMs: this.clock.next() }
    this.#live.set(id, { front, mark })
    this.onBegun(mark)
    return true
  }

  /** Ends the session of `id`; says whether one lived. */
  end (id: string, reason: RefusalReason, fields: RefusalFields = {}): boolean {
    const front = this.get(id)
    if (front === undefined || front.stage === 'closed') return false
    front.refuse(reason, fields)
    return true
  }

  /** The session is over. */
  leave (front: Front): void {
    if (this.get(front.identity.id) === front) this.#live.delete(front.identity.id)
  }
}

async function inTime (gone: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => { timer = setTimeout(resolve, letGoMs, false) })
  try {
    return await Promise.race([gone.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
