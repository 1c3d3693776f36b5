// What doctor looks at in Redis, when one is named: does it answer, is it new enough, does it fsync before it answers. Reads only.
import { inspectRedis } from '../queue/redis/inspect.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { quietObservability } from '../runtime/observability.ts'
import { type DoctorConfig, type Finding } from './doctor-finding.ts'

const oldest = 7

export async function checkRedis ({ redisUrl, redisNamespace, redisTimeoutMs }: DoctorConfig): Promise<Finding[]> {
  if (redisUrl === undefined) return []
  try {
    const { version, durability, partitions, entries } = await inspectRedis(redisUrl, redisNamespace, redisTimeoutMs, quietObservability().log)
    const work = partitions === null ? 'nothing has been started on it yet' : `${partitions} partitions, ${entries} messages not stored yet`
    return [
      Number(version?.split('.')[0]) >= oldest
        ? { name: 'Redis', status: 'ok', detail: `Redis ${version}, ${work}` }
        : { name: 'Redis', status: 'fail', detail: `Redis ${version ?? 'of an unknown version'}`, todo: `use Redis ${oldest}.0 or newer` },
      durability.durable
        ? { name: 'Redis durability', status: 'ok', detail: 'what it answers is on disk' }
        : { name: 'Redis durability', status: 'fail', detail: 'it may lose what it has acknowledged', todo: durability.remedies.join('; ') }
    ]
  } catch (error) {
    if (error instanceof PulsegateError) return [{ name: 'Redis', status: 'fail', detail: error.message, todo: error.entry.remedy }]
    return [{ name: 'Redis', status: 'fail', detail: error instanceof Error ? error.message : 'no answer', todo: 'check REDIS_URL, and that the server runs and lets this machine in' }]
  }
}
