// What has been stored: waits until a process that stores behind the acknowledgement has caught up, and holds the tables to what
// was acknowledged.
import { query } from './database.ts'
import { type Settled } from './generator.ts'
import { type Pinned } from './pinned.ts'

const patienceMs = 60_000

/** Throws when the tables do not hold exactly what was acknowledged; gives how many transactions stored it. */
export async function mustHold (url: string, messages: number, samples: number, receipts: boolean): Promise<number> {
  const { rows } = await query(url, async (client) => await client.query<{ samples: string, receipts: string, batches: string }>(
    'SELECT (SELECT count(*) FROM sample) AS samples, (SELECT count(*) FROM receipt) AS receipts, (SELECT count(DISTINCT xmin::text) FROM sample) AS batches'))
  const found = { samples: Number(rows[0]?.samples), receipts: Number(rows[0]?.receipts) }
  const wanted = { samples: messages * samples, receipts: receipts ? messages : 0 }
  if (found.samples !== wanted.samples || found.receipts !== wanted.receipts) {
    throw new Error(`acknowledged ${JSON.stringify(wanted)}, stored ${JSON.stringify(found)}`)
  }
  return Number(rows[0]?.batches)
}

/** For one process that says `stored` (servers/say.ts), load after load: each waits for as many more as it is told. */
export function untilStored (process: Pinned): Settled {
  let stored = 0
  let wanted = 0
  return async (messages) => {
    for (wanted += messages; stored < wanted;) {
      const { promise: tooLong, stop } = complaintAfter(patienceMs, () => `nothing more was stored for ${patienceMs / 1_000} s: ${stored} of ${wanted} messages`)
      try {
        stored = Number((await Promise.race([process.until('stored'), tooLong]))['messages'])
      } finally {
        stop()
      }
    }
  }
}

function complaintAfter (ms: number, text: () => string): { promise: Promise<never>, stop: () => void } {
  let timer: NodeJS.Timeout | undefined
  const promise = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => { reject(new Error(text())) }, ms) })
  return { promise, stop: () => { clearTimeout(timer) } }
}
