// Who is connected: our own registry of device id → front, which revocation, commands and displacement act on. Connects of
// one id take turns, from CONNECT until CONNACK has gone out: two at once leave Aedes with a session that is in no list
// and cannot be ended. The older session is ended, and let go of by Aedes, before the newer one begins [MQTT-3.1.4-2].
import { type Front } from './front.ts'

const letGoMs = 5_000 // Aedes lets go within a turn or two of the event loop; longer means something is stuck

export class Sessions {
  readonly #live = new Map<string, Front>()
  readonly #turns = new Map<string, Promise<void>>()

  get (id: string): Front | undefined { return this.#live.get(id) }

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
    const older = this.#live.get(id)
    if (older !== undefined) {
      older.refuse('displaced')
      if (!await inTime(older.gone)) return false
    }
    if (front.stage === 'closed') return false
    this.#live.set(id, front)
    return true
  }

  /** The session is over. */
  leave (front: Front): void {
    if (this.#live.get(front.identity.id) === front) this.#live.delete(front.identity.id)
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
