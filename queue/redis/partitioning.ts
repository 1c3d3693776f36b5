// Which stream a message goes to: by its source device, so that the messages of one device stay in order whichever gateway
// publishes them. How many streams there are is fixed at the first start and recorded, for a message must find its device's others.
import { LRUCache } from 'lru-cache'
import { type Redis } from 'ioredis'
import { PulsegateError } from '../../runtime/errors.ts'
import { type Envelope } from '../queue.ts'
import { idBytes } from './entry.ts'
import { type Keys } from './keys.ts'

export const defaultPartitions = 16

/** FNV-1a, 32 bits (draft-eastlake-fnv), over the 16 bytes of a device id. */
export function hashOf (id: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of id) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** Says the 16 bytes of the source named in a payload; null when the publisher speaks for itself. */
export type SourceOf = (payload: Uint8Array) => Uint8Array | null

export class Partitioner {
  readonly #count: number
  readonly #sourceOf: SourceOf
  // a device publishes often: its id is taken apart once
  readonly #ids = new LRUCache<string, Buffer>({ max: 20_000 })

  constructor (count: number, sourceOf: SourceOf) {
    this.#count = count
    this.#sourceOf = sourceOf
  }

  publisherBytes (publisher: string): Buffer {
    const known = this.#ids.get(publisher)
    if (known !== undefined) return known
    const bytes = idBytes(publisher)
    this.#ids.set(publisher, bytes)
    return bytes
  }

  partitionOf ({ payload, publisher }: Pick<Envelope, 'payload' | 'publisher'>): number {
    return hashOf(this.#sourceOf(payload) ?? this.publisherBytes(publisher)) % this.#count
  }
}

/**
 * The recorded number of partitions, recorded now when it never was. `wanted`: as configured; another number than the recorded one
 * is CONFIG_INVALID, because messages of one device would lie in two streams.
 */
export async function recordPartitions (redis: Redis, keys: Keys, wanted: number | undefined): Promise<number> {
  // looked at first: a full server refuses SET also where there is nothing to set
  if (await redis.get(keys.partitions) === null) await redis.set(keys.partitions, wanted ?? defaultPartitions, 'NX')
  const recorded = Number(await redis.get(keys.partitions))
  if (!Number.isSafeInteger(recorded) || recorded < 1) throw new PulsegateError('REDIS_FOREIGN', `the key ${keys.partitions} holds no number of partitions`)
  if (wanted !== undefined && wanted !== recorded) {
    throw new PulsegateError('CONFIG_INVALID', `--partitions ${wanted}: the number was fixed as ${recorded} at the first start; leave it out, or use another --redis-namespace`)
  }
  return recorded
}
