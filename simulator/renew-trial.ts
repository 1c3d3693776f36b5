// Which certificate a device connects with, while it tries a new one. Old and new take turns as long as no attempt succeeds: a broker that
// is away proves nothing against the new one; an old one that is let in where the new one was refused does. Pure.
import { type Credentials } from './simulator.ts'

interface Next { readonly credentials: Credentials, readonly tried: (proven: boolean) => void, refused: boolean }

export class CertificateTrial {
  #current: Credentials
  #using: Credentials
  #next: Next | null = null

  constructor (current: Credentials) {
    this.#current = current
    this.#using = current
  }

  /** What has connected, or is there from the start. */
  get current (): Credentials { return this.#current }

  /** `tried` is called once, by `connected`. */
  begin (credentials: Credentials, tried: (proven: boolean) => void): void {
    this.#next = { credentials, tried, refused: false }
  }

  /** For the attempt that begins now. */
  choose (): Credentials {
    this.#using = this.#next !== null && !this.#next.refused ? this.#next.credentials : this.#current
    return this.#using
  }

  /** The attempt has failed. */
  refused (): void {
    if (this.#next !== null) this.#next.refused = this.#using === this.#next.credentials
  }

  /** The attempt has succeeded. True: with the old one, and the new one has not been tried: leave and come back. */
  connected (): boolean {
    const next = this.#next
    if (next === null) return false
    const proven = this.#using === next.credentials
    if (!proven && !next.refused) return true
    if (proven) this.#current = next.credentials
    this.#next = null
    next.tried(proven)
    return false
  }
}
