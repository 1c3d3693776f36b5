// One identity, two clients: signs that a key or certificate has been copied. Remembers for each device the certificates and addresses it
// came with and what became of its sessions. A plain renewal (the newer certificate takes over, the older is never seen again) and a
// device that moves to another network are no signs. Pure but for its memory, which is bounded: the least recently seen is forgotten.
import { LRUCache } from 'lru-cache'
import { type CertificateUse } from '../queue/peers.ts'
import { addressKey } from '../runtime/address.ts'
import { type Identity } from './identity.ts'

/**
 * `older-certificate`: a certificate was used after a newer one of the same device; `alternating-certificates`: two of the same age
 * take turns; `alternating-addresses`: the session goes back and forth between addresses, each time over a live one;
 * `contested`: the session was taken over again and again within a minute.
 */
export type CloneSign = 'older-certificate' | 'alternating-certificates' | 'alternating-addresses' | 'contested'

export interface Clone {
  readonly sign: CloneSign
  /** What the other one came with. */
  readonly otherSerial: string
  readonly otherAddress: string
}

interface Use { readonly serial: string, readonly notBeforeMs: number, readonly expiresAtMs: number, address: string, atMs: number }

interface History {
  /** The latest use of each certificate, the latest last. */
  uses: Use[]
  addresses: string[]
  returns: number[]
  takeovers: number[]
  displacedAtMs: number
  toldAtMs: number
}

const maxDevices = 20_000
const kept = 4 // certificates and addresses a device is remembered with
const windowMs = 10 * 60_000
const minuteMs = 60_000
const returnsOfAClone = 3
const takeoversOfAClone = 6

export class Clones {
  readonly #revoked: (serial: string) => boolean
  readonly #memoryMs: number
  readonly #devices = new LRUCache<string, History>({ max: maxDevices })

  /** `memoryMs`: how long a certificate that was used counts. A revoked one does not. */
  constructor (memoryMs: number, revoked: (serial: string) => boolean) {
    this.#memoryMs = memoryMs
    this.#revoked = revoked
  }

  /** Has a newer certificate of this device been let in, one that is still good? */
  superseded (identity: Identity, nowMs: number): boolean {
    return this.#newer(this.#devices.get(identity.id), identity, nowMs) !== undefined
  }

  /** A session of the device begins. Gives the sign of a clone, once in ten minutes. */
  accepted (identity: Identity, address: string, nowMs: number): Clone | null {
    const history = this.#history(identity.id)
    const found = this.#sign(history, identity, addressKey(address), nowMs)
    note(history, identity, addressKey(address), nowMs)
    if (found === null || nowMs - history.toldAtMs < windowMs) return null
    history.toldAtMs = nowMs
    return found
  }

  /** A session of the device has begun at another broker, which looks for signs itself. */
  heard (use: CertificateUse, nowMs: number): void {
    note(this.#history(use.id), use, addressKey(use.address), nowMs)
  }

  /** A session of the device was ended because the device connected again. */
  displaced (id: string, nowMs: number): void {
    const history = this.#devices.get(id)
    if (history === undefined) return
    history.displacedAtMs = nowMs
    history.takeovers = [...history.takeovers.filter((atMs) => nowMs - atMs < minuteMs), nowMs].slice(-takeoversOfAClone)
  }

  /** A clone of the device was seen in the last ten minutes, and this may be it: no older certificate was used in that time. */
  contested ({ id, serial, notBeforeMs }: Identity, nowMs: number): boolean {
    const history = this.#devices.peek(id)
    if (history === undefined || nowMs - history.toldAtMs >= windowMs) return false
    return !history.uses.some((use) => use.serial !== serial && use.notBeforeMs < notBeforeMs && nowMs - use.atMs < windowMs)
  }

  #history (id: string): History {
    const history = this.#devices.get(id) ?? { uses: [], addresses: [], returns: [], takeovers: [], displacedAtMs: -Infinity, toldAtMs: -Infinity }
    this.#devices.set(id, history)
    return history
  }

  #newer (history: History | undefined, { serial, notBeforeMs }: Identity, nowMs: number): Use | undefined {
    return history?.uses.find((use) => use.serial !== serial && use.notBeforeMs > notBeforeMs && this.#counts(use, nowMs))
  }

  #counts (use: Use, nowMs: number): boolean {
    return nowMs - use.atMs < this.#memoryMs && nowMs < use.expiresAtMs && !this.#revoked(use.serial)
  }

  #sign (history: History, identity: Identity, address: string, nowMs: number): Clone | null {
    const last = history.uses.at(-1)
    if (last === undefined) return null
    const newer = this.#newer(history, identity, nowMs)
    if (newer !== undefined) return { sign: 'older-certificate', otherSerial: newer.serial, otherAddress: newer.address }
    const other = { otherSerial: last.serial, otherAddress: last.address }
    if (last.serial !== identity.serial && this.#counts(last, nowMs) && last.notBeforeMs === identity.notBeforeMs && history.uses.some(({ serial }) => serial === identity.serial)) return { sign: 'alternating-certificates', ...other }
    if (last.address !== address && history.addresses.includes(address) && nowMs - history.displacedAtMs < minuteMs) {
      history.returns = [...history.returns.filter((atMs) => nowMs - atMs < windowMs), nowMs].slice(-returnsOfAClone)
      if (history.returns.length >= returnsOfAClone) return { sign: 'alternating-addresses', ...other }
    }
    return history.takeovers.length >= takeoversOfAClone && nowMs - (history.takeovers[0] as number) < minuteMs ? { sign: 'contested', ...other } : null
  }
}

function note (history: History, { serial, notBeforeMs, expiresAtMs }: Omit<CertificateUse, 'address'>, address: string, nowMs: number): void {
  history.uses = [...history.uses.filter((use) => use.serial !== serial), { serial, notBeforeMs, expiresAtMs, address, atMs: nowMs }].slice(-kept)
  history.addresses = [...history.addresses.filter((known) => known !== address), address].slice(-kept)
}
