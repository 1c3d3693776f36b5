// How a device keeps its certificate from ending: at about two thirds of its life it asks for a new one, with a new key; tries it on a new
// connection; and gives up the old one only when that stands. One Renewal for each device, all on the wheel.
//
//   waiting ──due──▶ asking ──got──▶ trying ──connected──▶ waiting (for the new one's time)
//      ▲               │ failed         │ refused, and the old one was let in again
//      └── back-off ◀──┴────────────────┘   … as long as the old one lives
import { X509Certificate } from 'node:crypto'
import { backdateMs } from '../certs/profile.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type Observability } from '../runtime/observability.ts'
import { backoffMs } from '../runtime/retry.ts'
import { ComeAgain } from './enrol-est.ts'
import { type CredentialStore } from './enrol-store.ts'
import { type Credentials } from './simulator.ts'
import { type Wheel } from './wheel.ts'

export interface RenewalOptions {
  /** Asks for a new certificate with the current one (renewByEst). */
  readonly renew: (id: string, current: Credentials, signal: AbortSignal) => Promise<Credentials>
  readonly store: Pick<CredentialStore, 'keepNext' | 'promote' | 'dropNext'>
  /** Gives 0 ≤ x < 1. */
  readonly random?: () => number
}

/** What renewal asks of a connection. */
export interface RenewableConnection {
  readonly id: string
  readonly credentials: Credentials
  /** Connects anew with `next`; `tried` once: true when it has connected with it, false when it was refused and the old one was not. */
  tryNext (next: Credentials, tried: (proven: boolean) => void): void
}

export interface RenewalCounts { renewed: number, failed: number }

/** A wait is cut in pieces: the wall clock may be set, and the machine may sleep. */
const longestWaitMs = 600_000

export class Renewals {
  readonly counts: RenewalCounts = { renewed: 0, failed: 0 }
  readonly #abort = new AbortController()
  readonly #options: RenewalOptions
  readonly #wheel: Pick<Wheel, 'after'>
  readonly #log: Observability['log']
  readonly #working = new Set<Promise<void>>()

  constructor (options: RenewalOptions, wheel: Pick<Wheel, 'after'>, { log }: Observability) {
    this.#options = options
    this.#wheel = wheel
    this.#log = log
  }

  /** Looks after the certificate of `connection` from now on. */
  add (connection: RenewableConnection): void {
    this.#wait(connection, renewAtMs(connection.credentials.certPem, this.#random()))
  }

  /** Resolves when no request is under way any more. */
  async close (): Promise<void> {
    this.#abort.abort()
    await Promise.allSettled(this.#working)
  }

  #random (): number { return (this.#options.random ?? Math.random)() }

  #wait (connection: RenewableConnection, dueAtMs: number): void {
    const waitMs = dueAtMs - Date.now()
    if (waitMs <= 0) this.#track(this.#renew(connection, 0))
    else this.#wheel.after(Math.min(waitMs, longestWaitMs), () => this.#wait(connection, dueAtMs))
  }

  async #renew (connection: RenewableConnection, attempt: number): Promise<void> {
    const { id, credentials } = connection
    const { store, renew } = this.#options
    if (this.#abort.signal.aborted) return
    try {
      const next = await renew(id, credentials, this.#abort.signal)
      await store.keepNext(id, next) // on disk before it is used: a new certificate whose key is lost is worth nothing
      this.#try(connection, next, attempt)
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#again(connection, attempt, error)
    }
  }

  #try (connection: RenewableConnection, next: Credentials, attempt: number): void {
    const { store } = this.#options
    connection.tryNext(next, (proven) => {
      if (!proven) {
        this.#track(store.dropNext(connection.id))
        this.#again(connection, attempt, new Error('the broker did not let the new certificate in'))
        return
      }
      this.counts.renewed++
      this.#log.info({ device: connection.id, until: new X509Certificate(next.certPem).validTo }, 'certificate renewed')
      this.#track(store.promote(connection.id))
      this.#wait(connection, renewAtMs(next.certPem, this.#random()))
    })
  }

  #again (connection: RenewableConnection, attempt: number, error: unknown): void {
    this.counts.failed++
    const endsAtMs = Date.parse(new X509Certificate(connection.credentials.certPem).validTo)
    const leftMs = endsAtMs - Date.now()
    if (leftMs <= 0) {
      this.#log.error({ err: error, device: connection.id }, 'the certificate has ended and could not be renewed: the device needs a new token')
      return
    }
    const waitMs = Math.max(comeAgainMs(error), retryMs(leftMs, attempt, this.#random()))
    this.#log.warn({ err: error, device: connection.id, waitMs }, 'certificate not renewed; the device goes on with the old one')
    this.#wheel.after(Math.min(waitMs, longestWaitMs), () => { this.#track(this.#renew(connection, attempt + 1)) })
  }

  #track (work: Promise<void>): void {
    const tracked = work.catch((err: unknown) => { this.#log.error({ err }, 'a device\'s certificate could not be kept') }).finally(() => { this.#working.delete(tracked) })
    this.#working.add(tracked)
  }
}

/** Two thirds of the life, a fifteenth of it earlier or later: a fleet that was enrolled in one hour does not renew in one. ms since 1970. */
export function renewAtMs (certPem: string, random: number): number {
  const { validFrom, validTo } = new X509Certificate(certPem)
  const endsAtMs = Date.parse(validTo)
  // a certificate says it is valid from some minutes before it was issued
  const issuedAtMs = Math.min(Date.parse(validFrom) + backdateMs, endsAtMs)
  return issuedAtMs + (endsAtMs - issuedAtMs) * (2 / 3 + (2 * random - 1) / 15)
}

/** Between a second and an hour, and so that a dozen attempts fit into what is left. */
function retryMs (leftMs: number, attempt: number, random: number): number {
  const capMs = Math.min(3_600_000, Math.max(1_000, leftMs / 12))
  return capMs / 4 + backoffMs({ attempt, baseMs: 1_000, capMs: capMs * 3 / 4, random: () => random })
}

function comeAgainMs (error: unknown): number {
  return error instanceof PulsegateError && error.cause instanceof ComeAgain ? error.cause.afterMs : 0
}
