// What is done inside the server in one step, as Lua scripts of Redis 7.0 (EVALSHA, loaded again by itself after a restart).
// Reading, acknowledging and marking first compare the partition's lease with the caller's token: whoever has lost the
// lease, a worker that was frozen for instance, can do none of them. `allow-oom` where a full server must still be emptied.
//
// KEYS are always those of one partition (one hash slot), in the order given with each.
import { type Redis } from 'ioredis'
import { consumer, group, type Keys } from './keys.ts'

const lost = -1
// Read so many between two looks at the bytes, where they would fit if they were ordinary messages; one by one where even one may be too much.
const readStep = 16
const ordinaryBytes = 4 * 1024

/** stream · messages…, channel, partition → how many. All or none: Redis looks for free memory before the first write only. */
const append = `
for i = 1, #ARGV - 2 do redis.call('XADD', KEYS[1], '*', 'm', ARGV[i]) end
redis.call('PUBLISH', ARGV[#ARGV - 1], ARGV[#ARGV])
return #ARGV - 2`

/** lease · token, ms → 1 when it is (still or now) the caller's. Makes stream and group, which a new or emptied server lacks. */
const hold = `#!lua flags=allow-oom
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  -- the server's clock went back: a lease must not last longer than a lease
  if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return 0
end
if not holder and ARGV[3] == 'renew' then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if not holder then redis.pcall('XGROUP', 'CREATE', KEYS[2], '${group}', '0', 'MKSTREAM') end
return 1`

/** lease · token, channel */
const release = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], 'lease')
return 1`

/** lease, stream · token, count, bytes, at a time → [1 when there may be more, id, message, …] that nobody has read yet; ${lost}: not the holder. */
const read = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return ${lost} end
local flat, count, bytes, step = {0}, tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
while count > 0 and bytes > 0 do
  local wanted = math.min(count, step)
  local found = redis.call('XREADGROUP', 'GROUP', '${group}', '${consumer}', 'COUNT', wanted, 'STREAMS', KEYS[2], '>')
  if not found then return flat end
  for _, entry in ipairs(found[1][2]) do
    flat[#flat + 1] = entry[1]
    flat[#flat + 1] = entry[2][2]
    bytes = bytes - #entry[2][2]
  end
  if #found[1][2] < wanted then return flat end
  count = count - wanted
end
flat[1] = 1
return flat`

/**
 * lease, stream · token, after, count, take, bytes → [last id looked at, how many are gone, id, deliveries, message, …] of what was read
 * and not acknowledged. With take = 1 (a new holder) each counts as delivered once more. Gone: removed by somebody from the stream.
 */
const history = `#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return ${lost} end
local pending = redis.call('XPENDING', KEYS[2], '${group}', ARGV[2], '+', ARGV[3])
local flat, bytes = {'', 0}, tonumber(ARGV[5])
for _, entry in ipairs(pending) do
  if bytes <= 0 then break end
  local id = entry[1]
  flat[1] = id
  local found
  if ARGV[4] == '1' then found = redis.call('XCLAIM', KEYS[2], '${group}', '${consumer}', 0, id) else found = redis.call('XRANGE', KEYS[2], id, id) end
  if found[1] then
    flat[#flat + 1] = id
    flat[#flat + 1] = entry[4] + tonumber(ARGV[4])
    flat[#flat + 1] = found[1][2][2]
    bytes = bytes - #found[1][2][2]
  else
    redis.call('XACK', KEYS[2], '${group}', id)
    flat[2] = flat[2] + 1
  end
end
return flat`

/** lease, stream, suspects · token, id… → how many; ${lost}: not the holder, nothing was acknowledged. */
const acknowledge = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return ${lost} end
local count = redis.call('XACK', KEYS[2], '${group}', unpack(ARGV, 2))
if redis.call('EXISTS', KEYS[3]) == 1 then redis.call('HDEL', KEYS[3], unpack(ARGV, 2)) end
return count`

/** lease, suspects · token, id, by (1, or -1 to take it back) → how often this entry has been taken up alone; ${lost}: not the holder. */
const suspect = `#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return ${lost} end
return redis.call('HINCRBY', KEYS[2], ARGV[2], ARGV[3])`

/**
 * stream → [ours: not acknowledged, of them read, removed now]. Removes what every group has acknowledged, not only ours: what
 * lies before the oldest pending entry, or when none is pending up to what was last delivered.
 */
const trim = `#!lua flags=allow-oom
local function before (a, b)
  local am, as = string.match(a, '(%d+)-(%d+)')
  local bm, bs = string.match(b, '(%d+)-(%d+)')
  if am ~= bm then return tonumber(am) < tonumber(bm) end
  return tonumber(as) < tonumber(bs)
end
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, 0, 0} end
local needed, pending, unread = nil, 0, 0
for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local of = {}
  for i = 1, #info, 2 do of[info[i]] = info[i + 1] end
  local from
  if of.pending > 0 then
    from = redis.call('XPENDING', KEYS[1], of.name)[2]
  else
    local ms, seq = string.match(of['last-delivered-id'], '(%d+)-(%d+)')
    from = ms .. '-' .. string.format('%.0f', tonumber(seq) + 1)
  end
  if of.name == '${group}' then
    pending = of.pending
    unread = of.lag or redis.call('XLEN', KEYS[1]) -- nobody knows after somebody removed entries by hand
  end
  if needed == nil or before(from, needed) then needed = from end
end
local removed = 0
if needed then removed = redis.call('XTRIM', KEYS[1], 'MINID', '=', needed) end
return {pending + unread, pending, removed}`

/** workers · worker, silent after ms → how many workers are alive, this one included. */
const beat = `#!lua flags=allow-oom
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. now, '+inf') -- the server's clock went back
return redis.call('ZCARD', KEYS[1])`

/** The scripts as methods ioredis adds to a connection, with the texts it needs to do so. */
const texts = { append, hold, release, read, history, acknowledge, suspect, trim, beat }
const keyCounts: Readonly<Record<keyof typeof texts, number>> = { append: 1, hold: 2, release: 1, read: 2, history: 2, acknowledge: 3, suspect: 2, trim: 1, beat: 1 }

type Call = (...args: Array<string | number | Buffer>) => Promise<unknown>
export type Scripted = Redis & Record<`pg_${keyof typeof texts}` | `pg_${keyof typeof texts}Buffer`, Call>

/** Adds the scripts to `redis`, once per connection object. */
export function withScripts (redis: Redis): Scripted {
  if ('pg_append' in redis) return redis as Scripted
  for (const [name, lua] of Object.entries(texts)) {
    redis.defineCommand(`pg_${name}`, { lua, numberOfKeys: keyCounts[name as keyof typeof texts] })
  }
  return redis as Scripted
}

/** An entry as a worker takes it up. */
export interface Taken {
  readonly id: string
  readonly bytes: Buffer
  /** How often it was delivered, this time included. */
  readonly deliveries: number
}

export interface History {
  readonly entries: readonly Taken[]
  /** The last id looked at; empty: nothing is left behind `after`. */
  readonly last: string
  /** Entries that somebody removed from the stream before they were acknowledged. */
  readonly gone: number
}

/**
 * The scripts on one partition for one holder. Every answer null: the lease is not the caller's any more. `redis` reads and acknowledges;
 * leases and trimming go over the connection given with the call.
 */
export class PartitionScripts {
  readonly #redis: Scripted
  readonly #token: string
  readonly #stream: string
  readonly #lease: string
  readonly #suspects: string

  constructor (redis: Scripted, keys: Keys, partition: number, token: string) {
    this.#redis = redis
    this.#token = token
    this.#stream = keys.stream(partition)
    this.#lease = keys.lease(partition)
    this.#suspects = keys.suspects(partition)
  }

  /** Up to `count` messages and about `bytes` bytes; `more`: it was one of the two that ended it. */
  async read (count: number, bytes: number): Promise<{ entries: Taken[], more: boolean } | null> {
    const step = bytes >= readStep * ordinaryBytes ? readStep : 1
    const flat = await this.#redis.pg_readBuffer(this.#lease, this.#stream, this.#token, count, bytes, step) as Array<Buffer | number> | number
    if (!Array.isArray(flat)) return null
    const entries: Taken[] = []
    for (let i = 1; i + 1 < flat.length; i += 2) entries.push({ id: String(flat[i]), bytes: flat[i + 1] as Buffer, deliveries: 1 })
    return { entries, more: Number(flat[0]) === 1 }
  }

  async history (after: string, count: number, bytes: number, take: boolean): Promise<History | null> {
    const from = after === '' ? '-' : `(${after}`
    const flat = await this.#redis.pg_historyBuffer(this.#lease, this.#stream, this.#token, from, count, take ? 1 : 0, bytes) as Array<Buffer | number> | number
    if (!Array.isArray(flat)) return null
    const entries: Taken[] = []
    for (let i = 2; i + 2 < flat.length; i += 3) entries.push({ id: String(flat[i]), deliveries: Number(flat[i + 1]), bytes: flat[i + 2] as Buffer })
    return { entries, last: String(flat[0]), gone: Number(flat[1]) }
  }

  async acknowledge (ids: readonly string[]): Promise<number | null> {
    return held(await this.#redis.pg_acknowledge(this.#lease, this.#stream, this.#suspects, this.#token, ...ids))
  }

  /** Notes that the entry is taken up alone, or (`by` -1) that it was in vain through no fault of its own. */
  async suspect (id: string, by: 1 | -1): Promise<number | null> {
    return held(await this.#redis.pg_suspect(this.#lease, this.#suspects, this.#token, id, by))
  }

  /** Takes or renews the lease for `ms`. */
  async hold (admin: Scripted, ms: number, how: 'take' | 'renew'): Promise<boolean> {
    return await admin.pg_hold(this.#lease, this.#stream, this.#token, ms, how) === 1
  }

  async release (admin: Scripted, channel: string): Promise<void> {
    await admin.pg_release(this.#lease, this.#token, channel)
  }

  /** `left`: not acknowledged by us, read or not; `pending`: of them those that were read. */
  async trim (admin: Scripted): Promise<{ left: number, pending: number }> {
    const [left = 0, pending = 0] = await admin.pg_trim(this.#stream) as number[]
    return { left, pending }
  }
}

function held (answer: unknown): number | null {
  return answer === lost ? null : Number(answer)
}
