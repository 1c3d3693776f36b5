// Which certificates are revoked, as far as this broker knows: the serials on the lists it has read, and those that other brokers
// told of. The latter are kept when the lists are read again: another broker's list may be newer than ours.
import { maxSharedRevocations } from '../queue/peers.ts'
import { trimZeros } from '../runtime/crl.ts'

export class Revocations {
  #listed: ReadonlySet<string>
  readonly #told = new Set<string>()

  /** `listed`: upper-case hex without leading zeros. */
  constructor (listed: ReadonlySet<string>) {
    this.#listed = listed
  }

  /** On our own lists. */
  get listed (): ReadonlySet<string> { return this.#listed }

  /** Told by others and not on our lists, or not yet. */
  get told (): number { return this.#told.size }

  /** As OpenSSL prints the serial, with or without leading zeros. */
  has (serial: string): boolean {
    const trimmed = trimZeros(serial)
    return this.#listed.has(trimmed) || this.#told.has(trimmed)
  }

  /** The lists were read again. Gives the serials that were not on them before. */
  replaceLists (listed: ReadonlySet<string>): string[] {
    const before = this.#listed
    this.#listed = listed
    return [...listed].filter((serial) => !before.has(serial))
  }

  /** Another broker told of these. Gives those that are news; beyond the bound none is kept (the sharing side refuses them too, and says so). */
  tell (serials: readonly string[]): string[] {
    const news = serials.filter((serial) => !this.#listed.has(serial) && !this.#told.has(serial))
    const room = Math.max(0, maxSharedRevocations - this.#told.size)
    for (const serial of news.slice(0, room)) this.#told.add(serial)
    return news
  }
}
