// Named places at which a process can be made to die or freeze, for the proof (`pulsegate proof`) and nothing else: kill −9 at a
// random moment seldom hits the few microseconds that matter. Armed once per process by the setting PULSEGATE_FAIL_POINTS, such as
// `after-xadd-before-puback@37` or `before-xadd@5:stop,poison=cafe01`; unarmed, a place costs one comparison.
import { PulsegateError } from './errors.ts'

/** In the order in which a message passes them. */
export const failPointNames = [
  /** broker: a chunk of messages is about to be sent to Redis */
  'before-xadd',
  /** broker: Redis has answered, no PUBACK has been written */
  'after-xadd-before-puback',
  /** worker: the lease on a partition has been taken, nothing of it has been read */
  'after-lease-before-read',
  /** worker: messages have been read from the stream, nothing has been written */
  'after-read-before-write',
  /** worker: every COPY of a transaction has been answered, COMMIT has not been sent */
  'after-copy-before-commit',
  /** worker: COMMIT has been answered, nothing has been acknowledged to Redis */
  'after-commit-before-xack',
  /** worker: the messages are acknowledged, the stream has not been trimmed */
  'after-xack-before-trim'
] as const

export type FailPoint = typeof failPointNames[number]

type Action = 'kill' | 'stop'

interface Armed { readonly at: number, readonly action: Action, hits: number }

const entry = /^([a-z-]+)(?:@(\d{1,9}))?(?::(kill|stop))?$/
const poisonEntry = /^poison=((?:[0-9a-f]{2})+)$/

/** The armed places of this process. */
class FailPoints {
  readonly #armed = new Map<string, Armed>()
  #poison: Buffer | null = null

  /** Is anything armed at all? */
  on = false

  /** `text`: `name[@hit][:kill|:stop]`, comma-separated; `poison=<hex>` kills whoever reads a payload with these bytes. Throws CONFIG_INVALID. */
  arm (text: string): void {
    for (const part of text.split(',').map((piece) => piece.trim()).filter((piece) => piece !== '')) {
      const poison = poisonEntry.exec(part)?.[1]
      if (poison !== undefined) this.#poison = Buffer.from(poison, 'hex')
      else this.#armed.set(...parse(part))
      this.on = true
    }
  }

  disarm (): void {
    this.#armed.clear()
    this.#poison = null
    this.on = false
  }

  /** Is this place armed? For callers that must take another path to have such a place at all. */
  has (name: FailPoint): boolean { return this.on && this.#armed.has(name) }

  /** Passes the place `name`; the hit that was asked for ends or freezes this process. */
  hit (name: FailPoint): void {
    if (!this.on) return
    const armed = this.#armed.get(name)
    if (armed !== undefined && ++armed.hits === armed.at) process.kill(process.pid, armed.action === 'kill' ? 'SIGKILL' : 'SIGSTOP')
  }

  /** A payload was read: one that holds the armed poison ends this process, as a bug in native code would. */
  read (payload: Buffer): void {
    if (this.on && this.#poison !== null && payload.includes(this.#poison)) process.kill(process.pid, 'SIGKILL')
  }
}

function parse (part: string): [string, Armed] {
  const [, name = '', at = '1', action = 'kill'] = entry.exec(part) ?? []
  if (!failPointNames.includes(name as FailPoint) || Number(at) < 1) {
    throw new PulsegateError('CONFIG_INVALID', `PULSEGATE_FAIL_POINTS: ${JSON.stringify(part)} is not a fail point; expected name[@hit][:kill|:stop] with one of ${failPointNames.join(', ')}, or poison=<hex>`)
  }
  return [name, { at: Number(at), action: action as Action, hits: 0 }]
}

export const failPoints = new FailPoints()
