// Data keys as they are used: made, wrapped, kept unwrapped in memory for a while and in bounded number. Takes a database (the rows) and a
// KeyService (the master key), gives keys to seal and to open with. Promise: one key seals a bounded number of messages; a key service
// that is away stops only what needs a key that is not in memory.
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type AuditTrail, silentTrail } from '../../runtime/audit.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { type Database } from '../database.ts'
import {
  digestKey, findKey, insertDigestKey, insertExportKey, insertQuarantineKey, reserveKey, reserveMore, type StoredKey
} from './data-key-table.ts'
import { type KeyContext, type KeyService } from './key-service.ts'

export interface DataKeyOptions {
  readonly database: Database
  readonly keys: KeyService
  readonly audit?: AuditTrail
  /** Monotonic ms. */
  readonly clock?: () => number
  /** Messages that one key seals at most; default 2^26, far below the 2^32 of random 96-bit nonces. */
  readonly bound?: number
  /** Messages counted at once; default 2^16. */
  readonly block?: number
}

/** A key in the clear, as a handle that is never printed. */
export interface DataKey extends Pick<KeyContext, 'tenant' | 'day'> { readonly id: number, readonly key: KeyObject }

/** What sealing for quarantine needs. */
export type SealingKeys = Pick<DataKeys, 'toSeal' | 'forDigests'>

interface Sealing { readonly data: DataKey, left: number, unwrappedAt: number }

const dataKeyBytes = 32
// unwrapped again after this, so that a key withdrawn at the key service is soon not used any more …
const refreshMs = 3_600_000
// … but when the service is away, what is in memory goes on this long
const keepMs = 86_400_000
const openMs = 600_000
// some hundred bytes each
const maxKeys = 10_000

export class DataKeys {
  readonly #database: Database
  readonly #keys: KeyService
  readonly #audit: AuditTrail
  readonly #clock: () => number
  readonly #bound: number
  readonly #block: number
  readonly #sealing: LRUCache<string, Sealing>
  readonly #opening: LRUCache<number, DataKey>
  #digest: { readonly key: KeyObject, readonly unwrappedAt: number } | null = null
  #fault: string | null = null

  constructor ({ database, keys, audit = silentTrail, clock = () => performance.now(), bound = 2 ** 26, block = 2 ** 16 }: DataKeyOptions) {
    this.#database = database
    this.#keys = keys
    this.#audit = audit
    this.#clock = clock
    this.#bound = bound
    this.#block = block
    this.#sealing = new LRUCache({ max: maxKeys })
    this.#opening = new LRUCache({ max: maxKeys, ttl: openMs, perf: { now: clock } })
  }

  /** Why the last key that was asked for could not be had; null when it could. */
  get fault (): string | null { return this.#fault }

  /** To seal `messages` messages of a tenant received on that UTC day; 0: it shall be ready. Errors: KEY_UNAVAILABLE, KEY_MASTER_UNKNOWN, the database's. */
  async toSeal (tenant: string, day: string, messages: number): Promise<DataKey> {
    const name = `${day} ${tenant}`
    const known = this.#sealing.get(name)
    if (known !== undefined && await this.#take(known, messages)) return known.data
    const sealing = await this.#watched(() => this.#findOrMake(tenant, day, messages))
    this.#sealing.set(name, sealing)
    return sealing.data
  }

  /** The same without a question to the key service: KEY_UNAVAILABLE when a key is not in memory. What is due is unwrapped again elsewhere. */
  readonly fromMemory: SealingKeys = {
    toSeal: async (tenant, day, messages) => {
      const known = this.#sealing.get(`${day} ${tenant}`)
      if (known !== undefined && await this.#take(known, messages, false)) return known.data
      throw notInMemory()
    },
    forDigests: async () => {
      if (this.#digest !== null && this.#clock() - this.#digest.unwrappedAt < keepMs) return this.#digest.key
      throw notInMemory()
    }
  }

  /** To open what key `id` has sealed. Errors: KEY_DESTROYED, KEY_UNAVAILABLE, KEY_MASTER_UNKNOWN, SEALED_DATA_DAMAGED, the database's. */
  async toOpen (id: number): Promise<DataKey> {
    const known = this.#opening.get(id)
    if (known !== undefined) return known
    const found = await findKey(this.#database, id)
    if (found === null) throw new PulsegateError('SEALED_DATA_DAMAGED', `there is no data key ${id}`)
    if ('destroyed' in found) throw new PulsegateError('KEY_DESTROYED', `data key ${id} has been destroyed`)
    const data = await this.#watched(() => this.#unwrap(found))
    this.#opening.set(id, data)
    return data
  }

  /** The key of the digests by which repeats are found; made at the very first use. Errors: as toSeal. */
  async forDigests (): Promise<KeyObject> {
    const known = this.#digest
    if (known !== null && this.#clock() - known.unwrappedAt < refreshMs) return known.key
    try {
      const key = await this.#watched(() => this.#findOrMakeDigest())
      this.#digest = { key, unwrappedAt: this.#clock() }
      return key
    } catch (error) {
      if (known !== null && isAway(error) && this.#clock() - known.unwrappedAt < keepMs) return known.key
      if (isWithdrawn(error)) this.#digest = null
      throw error
    }
  }

  /** A new key for one export. */
  async forExport (): Promise<DataKey> {
    const context = { purpose: 'export', tenant: '', day: null } as const
    const { bytes, wrapped } = await this.#watched(() => this.#make(context))
    const id = await insertExportKey(this.#database, wrapped)
    this.#tellMade(id, context, wrapped.master)
    return { id, tenant: '', day: null, key: createSecretKey(bytes) }
  }

  /** Keys that were destroyed meanwhile are not used again. */
  forget (ids: Iterable<number>): void {
    const gone = new Set(ids)
    for (const [name, { data }] of this.#sealing.entries()) if (gone.has(data.id)) this.#sealing.delete(name)
    for (const id of gone) this.#opening.delete(id)
  }

  /** Counts the messages, in the same turn as it looks: two may ask at once. False: another key is needed. */
  async #take (sealing: Sealing, messages: number, mayAsk = true): Promise<boolean> {
    const ageMs = this.#clock() - sealing.unwrappedAt
    if (ageMs > keepMs) return false
    if (mayAsk && ageMs > refreshMs) {
      try {
        this.#opening.delete(sealing.data.id)
        await this.toOpen(sealing.data.id)
        sealing.unwrappedAt = this.#clock()
      } catch (error) {
        if (isWithdrawn(error)) this.forget([sealing.data.id])
        if (!isAway(error)) return false
      }
    }
    if (sealing.left < messages) {
      const block = Math.max(this.#block, messages)
      if (!await reserveMore(this.#database, sealing.data.id, { messages: block, bound: this.#bound })) return false
      sealing.left += block
    }
    sealing.left -= messages
    return true
  }

  async #findOrMake (tenant: string, day: string, messages: number): Promise<Sealing> {
    const block = Math.max(this.#block, messages)
    const reservation = { tenant, day, master: await this.#keys.id(), messages: block, bound: Math.max(this.#bound, messages) }
    const found = await reserveKey(this.#database, reservation)
    if (found !== null) return this.#sealingOf(await this.#unwrap(found), block - messages)
    const context = { purpose: 'quarantine', tenant, day } as const
    const { bytes, wrapped } = await this.#make(context)
    const { stored, made } = await insertQuarantineKey(this.#database, wrapped, reservation)
    if (!made) return this.#sealingOf(await this.#unwrap(stored), block - messages)
    this.#tellMade(stored.id, context, wrapped.master)
    return this.#sealingOf({ id: stored.id, tenant, day, key: createSecretKey(bytes) }, block - messages)
  }

  #sealingOf (data: DataKey, left: number): Sealing { return { data, left, unwrappedAt: this.#clock() } }

  async #findOrMakeDigest (): Promise<KeyObject> {
    const context = { purpose: 'digest', tenant: '', day: null } as const
    let found = await digestKey(this.#database)
    if (found === null) {
      const { wrapped } = await this.#make(context)
      if (await insertDigestKey(this.#database, wrapped)) this.#tellMade(null, context, wrapped.master)
      found = await digestKey(this.#database)
    }
    if (found === null) throw new PulsegateError('KEY_UNAVAILABLE', 'the digest key was destroyed while it was made')
    return (await this.#unwrap(found)).key
  }

  async #make (context: KeyContext): Promise<{ bytes: Buffer, wrapped: Awaited<ReturnType<KeyService['wrap']>> }> {
    const bytes = randomBytes(dataKeyBytes)
    return { bytes, wrapped: await this.#keys.wrap(bytes, context) }
  }

  async #unwrap ({ id, tenant, day, purpose, master, wrapped }: StoredKey): Promise<DataKey> {
    const bytes = await this.#keys.unwrap({ master, wrapped }, { purpose, tenant, day })
    if (bytes.length !== dataKeyBytes) throw new PulsegateError('SEALED_DATA_DAMAGED', `data key ${id} does not unwrap to ${dataKeyBytes} bytes`)
    return { id, tenant, day, key: createSecretKey(bytes) }
  }

  async #watched<T> (work: () => Promise<T>): Promise<T> {
    try {
      const result = await work()
      this.#fault = null
      return result
    } catch (error) {
      if (error instanceof PulsegateError) this.#fault = `keys: ${error.code}`
      throw error
    }
  }

  #tellMade (id: number | null, { purpose, tenant, day }: KeyContext, master: string): void {
    this.#audit.record({
      type: 'key',
      subtype: 'made',
      action: 'C',
      outcome: 'success',
      agent: { id: 'pulsegate', role: 'service' },
      entity: { type: 'data-key', id: id === null ? purpose : String(id), ...(tenant !== '' && { tenant }) },
      detail: { purpose, day, master }
    })
  }
}

function notInMemory (): PulsegateError { return new PulsegateError('KEY_UNAVAILABLE', 'the data key is not in memory') }

/** The service has answered, and it was no. */
function isWithdrawn (error: unknown): boolean { return error instanceof PulsegateError && !isAway(error) }

function isAway (error: unknown): boolean { return error instanceof PulsegateError && error.code === 'KEY_UNAVAILABLE' }
