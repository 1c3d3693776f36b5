// What lies in Redis, read from beside: how much of each partition is unread, unacknowledged, kept. On connections of its own,
// not through a proxy, each opened for one look and closed again.
import { Redis } from 'ioredis'
import { type StreamFacts } from './facts.ts'

export const namespace = 'pulsegate'
export const group = 'ingest'

export function streamKey (partition: number): string { return `{${namespace}:p${partition}}:messages` }

/** Runs `look` on a connection to the Redis at `url`; every command has a deadline. */
export async function withRedis<T> (url: string, look: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { lazyConnect: true, connectTimeout: 2_000, commandTimeout: 5_000, maxRetriesPerRequest: 0, retryStrategy: null, enableReadyCheck: false })
  redis.on('error', () => {}) // the command in flight rejects
  try {
    await redis.connect()
    return await look(redis)
  } finally {
    redis.disconnect()
  }
}

/** How many partitions were fixed at the first start; 0 before. */
export async function partitionCount (redis: Redis): Promise<number> {
  return Number(await redis.get(`${namespace}:partitions`) ?? 0)
}

export async function readStreams (redis: Redis): Promise<StreamFacts[]> {
  const facts: StreamFacts[] = []
  for (let partition = 0; partition < await partitionCount(redis); partition++) facts.push(await readStream(redis, partition))
  return facts
}

/** Entries that no worker has acknowledged yet, over all partitions. */
export async function backlogOf (redis: Redis): Promise<number> {
  return (await readStreams(redis)).reduce((sum, { pending, unread, length }) => sum + pending + (unread ?? length), 0)
}

async function readStream (redis: Redis, partition: number): Promise<StreamFacts> {
  const key = streamKey(partition)
  const length = await redis.xlen(key)
  if (length === 0 && await redis.exists(key) === 0) return { partition, pending: 0, unread: 0, length }
  const groups = (await redis.xinfo('GROUPS', key) as unknown[]).map(asObject)
  const ours = groups.find(({ name }) => name === group)
  // without its group nothing of the stream has been read
  if (ours === undefined) return { partition, pending: 0, unread: length, length }
  return { partition, pending: Number(ours['pending']), unread: await unreadOf(redis, key, ours), length }
}

/** `lag` counts what was ever added, and is null after some trims: whether anything is there to be read, only the stream knows. */
async function unreadOf (redis: Redis, key: string, ours: Record<string, unknown>): Promise<number | null> {
  const after = await redis.xrange(key, `(${String(ours['last-delivered-id'])}`, '+', 'COUNT', 1)
  if (after.length === 0) return 0
  return ours['lag'] === null || ours['lag'] === undefined ? null : Number(ours['lag'])
}

/** Names and values come as a flat list, or as an object where the connection speaks RESP3. */
function asObject (entry: unknown): Record<string, unknown> {
  if (!Array.isArray(entry)) return entry as Record<string, unknown>
  return Object.fromEntries(Array.from({ length: entry.length / 2 }, (_, index) => [String(entry[2 * index]), entry[2 * index + 1]]))
}
