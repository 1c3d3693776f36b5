// Is what this Redis answers to XADD on disk by then? Read from the server's own settings, at every connection and now and then,
// because a server may be replaced and a setting changed while we run. The judging is pure; a server that does not show its
// settings counts as not durable, because nobody can know.
import { type Redis } from 'ioredis'

/** What was read from the server; null: it does not say. */
export interface ServerFacts {
  /** By CONFIG GET: appendonly, appendfsync, no-appendfsync-on-rewrite, maxmemory, maxmemory-policy; null when the command is refused. */
  readonly settings: Readonly<Record<string, string>> | null
  readonly role: string | null
  /** `ok`, or `err` after a write to the append-only file failed. */
  readonly aofLastWrite: string | null
  readonly version: string | null
}

export interface Durability {
  readonly durable: boolean
  /** What to change, each with the command; empty when durable. */
  readonly remedies: readonly string[]
}

const wanted = ['appendonly', 'appendfsync', 'no-appendfsync-on-rewrite', 'maxmemory', 'maxmemory-policy']

export async function readFacts (redis: Redis): Promise<ServerFacts> {
  const [settings, info] = await Promise.all([
    redis.config('GET', ...wanted as [string]).then((reply) => pairs(reply), refused),
    redis.info().then(infoOf)
  ])
  return { settings, role: info.get('role') ?? null, aofLastWrite: info.get('aof_last_write_status') ?? null, version: info.get('redis_version') ?? null }
}

/** Pure. */
export function judge ({ settings, role, aofLastWrite }: ServerFacts): Durability {
  const remedies: string[] = []
  if (settings === null) {
    remedies.push('it does not show its settings (CONFIG GET is refused): allow the login `+config|get`')
  } else {
    if (settings['appendonly'] !== 'yes') remedies.push('set `appendonly yes`')
    if (settings['appendfsync'] !== 'always') remedies.push('set `appendfsync always`')
    if (settings['no-appendfsync-on-rewrite'] !== 'no') remedies.push('set `no-appendfsync-on-rewrite no`')
    const evicts = settings['maxmemory'] !== '0' && settings['maxmemory-policy'] !== 'noeviction'
    if (evicts) remedies.push('set `maxmemory-policy noeviction`')
  }
  if (role !== null && role !== 'master') remedies.push(`connect to the primary: this one is a ${role === 'slave' ? 'replica' : role}`)
  if (aofLastWrite === 'err') remedies.push('let it write its append-only file again (disk full?)')
  return { durable: remedies.length === 0, remedies }
}

function pairs (flat: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {}
  for (let i = 0; i + 1 < flat.length; i += 2) found[flat[i] as string] = flat[i + 1] as string
  return found
}

function infoOf (text: string): Map<string, string> {
  return new Map(text.split('\r\n').filter((line) => line.includes(':')).map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}

/** An error of the server itself means that it does not tell; a broken connection is passed on. */
function refused (error: unknown): null {
  const name = (error as Error).name
  if (name === 'ReplyError' || name === 'SimpleError') return null
  throw error
}
