// A Redis 7.0 of a run's own, on the server core, as durable as Pulsegate asks for: every append is on disk before it is answered.
import { RedisServer } from '../test/services/redis-server.ts'
import { moveToCore, serverCore } from './pinned.ts'

export interface BenchRedis {
  readonly url: string
  readonly pid: number
  stop (): Promise<void>
}

export async function startRedis (): Promise<BenchRedis> {
  // The file is rewritten in the background when it has doubled. Half a minute of messages would decide in which round that happens.
  const server = await RedisServer.create({ appendfsync: 'always', 'auto-aof-rewrite-percentage': '0' })
  try {
    await server.start()
  } catch (error) {
    await server.remove()
    throw error
  }
  moveToCore(serverCore, server.pid)
  return { url: server.url, pid: server.pid, stop: async () => { await server.remove() } }
}
