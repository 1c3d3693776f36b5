// A look at a Redis before anything depends on it, for `pulsegate doctor`: one connection, a few questions, nothing changed.
import { PulsegateError } from '../../runtime/errors.ts'
import { type Logger } from '../../runtime/observability.ts'
import { Connection } from './connection.ts'
import { type Durability, judge, readFacts } from './durability.ts'
import { keysOf } from './keys.ts'

export interface Inspection {
  readonly version: string | null
  readonly durability: Durability
  /** As recorded at the first start; null: nothing has been started on it. */
  readonly partitions: number | null
  /** Messages in the streams. */
  readonly entries: number
}

/** Rejects with why Redis does not answer within `timeoutMs`. */
export async function inspectRedis (url: string, namespace: string, timeoutMs: number, log: Logger): Promise<Inspection> {
  const connection = new Connection({ url, purpose: 'doctor', timeoutMs, log })
  try {
    await answers(connection, timeoutMs)
    const keys = keysOf(namespace)
    return await connection.call(async (redis) => {
      const facts = await readFacts(redis)
      const recorded = await redis.get(keys.partitions)
      const partitions = recorded === null ? null : Number(recorded)
      let entries = 0
      for (let partition = 0; partition < (partitions ?? 0); partition++) entries += await redis.xlen(keys.stream(partition))
      return { version: facts.version, durability: judge(facts), partitions, entries }
    })
  } finally {
    connection.close()
  }
}

async function answers (connection: Connection, withinMs: number): Promise<void> {
  let late: NodeJS.Timeout | undefined
  const ready = new Promise<void>((resolve) => { connection.onReady(resolve) })
  const giveUp = new Promise<never>((_resolve, reject) => {
    late = setTimeout(() => { reject(connection.tlsFault === null ? new Error(connection.fault ?? 'no answer') : new PulsegateError('REDIS_TLS_REFUSED', `Redis was not accepted: ${connection.tlsFault}`)) }, withinMs)
  })
  try {
    await Promise.race([ready, giveUp])
  } finally {
    clearTimeout(late)
  }
}
