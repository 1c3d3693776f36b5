// What the journal says now, for a process that asks often: reads only what was appended since the last question, so that a
// revocation counts from the moment it is in the journal, before any list is written or read.
import { open } from 'node:fs/promises'
import { PulsegateError } from '../runtime/errors.ts'
import { concernsDevice, type Issued, type Revoked } from './journal.ts'

export interface KnownCertificate {
  readonly serial: string
  readonly role: Issued['role']
  readonly names: readonly string[]
  readonly notAfterMs: number
  readonly revoked: boolean
}

/** Of a device id or server name for which something was issued. */
export interface Standing {
  /** Whose birth certificate the first one was issued for, or the first since a revocation that concerns the device; null: for nobody's. */
  readonly maker: string | null
  /** One of its certificates was revoked for something that concerns the device, and nothing has been issued for it since. */
  readonly revoked: boolean
}

export class JournalFollower {
  readonly #path: string
  readonly #bySerial = new Map<string, KnownCertificate>()
  readonly #byName = new Map<string, Standing & { maker: string | null, revoked: boolean, readonly serials: Set<string> }>()
  #offset = 0
  #reading: Promise<void> | null = null

  constructor (path: string) {
    this.#path = path
  }

  async isRevoked (serial: string): Promise<boolean> {
    await this.#follow()
    return this.#bySerial.get(serial)?.revoked === true
  }

  /** Null: nothing was ever issued for this device id or server name. */
  async standingOf (name: string): Promise<Standing | null> {
    await this.#follow()
    return this.#byName.get(name) ?? null
  }

  /** The device's living certificates that were issued before `serial`; none when `serial` is not the device's, or not good itself. */
  async olderThan (device: string, serial: string, nowMs: number): Promise<string[]> {
    await this.#follow()
    const serials = [...this.#byName.get(device)?.serials ?? []]
    const at = serials.indexOf(serial)
    if (at < 0 || this.#bySerial.get(serial)?.revoked === true) return []
    return serials.slice(0, at).filter((older) => {
      const known = this.#bySerial.get(older)
      return known?.role === 'device' && !known.revoked && known.notAfterMs > nowMs
    })
  }

  /** Questions that come while one reads wait for the next reading: they may be about what was appended meanwhile. */
  async #follow (): Promise<void> {
    while (this.#reading !== null) await this.#reading
    this.#reading = this.#readOn().finally(() => { this.#reading = null })
    await this.#reading
  }

  async #readOn (): Promise<void> {
    const text = await this.#appended()
    try {
      for (const line of text.split('\n')) if (line !== '') this.#apply(line)
    } catch (error) {
      this.#forget() // the next question finds the damage again: better no answer than one without a revocation
      throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${this.#path} holds a line that is not a record of this authority.`, { cause: error })
    }
  }

  /** Whole lines only: a line that is being written, or that a crash cut off, is read when it is whole. */
  async #appended (): Promise<string> {
    const file = await open(this.#path, 'r')
    try {
      const { size } = await file.stat()
      if (size < this.#offset) this.#forget() // replaced by a backup
      if (size === this.#offset) return ''
      const bytes = Buffer.alloc(size - this.#offset)
      const { bytesRead } = await file.read(bytes, 0, bytes.length, this.#offset)
      const whole = bytes.subarray(0, bytes.subarray(0, bytesRead).lastIndexOf(0x0a) + 1)
      this.#offset += whole.length
      return whole.toString('utf8')
    } finally {
      await file.close()
    }
  }

  #forget (): void {
    this.#offset = 0
    this.#bySerial.clear()
    this.#byName.clear()
  }

  #apply (line: string): void {
    const entry = JSON.parse(line) as Issued | Revoked
    const before = this.#bySerial.get(entry.serial)
    if (entry.event === 'revoked') {
      if (before === undefined) return
      this.#bySerial.set(entry.serial, { ...before, revoked: true })
      if (concernsDevice(entry.reason)) this.#markRevoked(before.names)
      return
    }
    if (entry.event !== 'issued') return
    const { serial, role, names, notAfter, maker = null } = entry
    this.#bySerial.set(serial, { serial, role, names, notAfterMs: Date.parse(notAfter), revoked: false })
    for (const name of names) {
      const known = this.#byName.get(name)
      if (known === undefined) {
        this.#byName.set(name, { maker, revoked: false, serials: new Set([serial]) })
        continue
      }
      known.serials.add(serial)
      // another device may have the id from now on, and the birth key of the one before may be a thief's
      if (known.revoked) known.maker = maker
      known.revoked = false
    }
  }

  #markRevoked (names: readonly string[]): void {
    for (const name of names) {
      const known = this.#byName.get(name)
      if (known !== undefined) known.revoked = true
    }
  }
}
