// The end of the faults: everything is mended, everything stands again, the devices stop measuring, and what is on its way
// arrives. Gives how long that took, or what had not come to rest by the deadline: a proof never waits for ever.
import { sleep } from '../runtime/retry.ts'
import { type RestFacts, type StreamFacts } from './facts.ts'
import { type Setup } from './setup.ts'
import { readStreams, withRedis } from './streams.ts'

const pollMs = 200

/** Proxies forward, frozen parts go on, dead ones are started; resolves when all answer. Rejects at the deadline. */
export async function heal (setup: Setup, deadlineMs: number, signal: AbortSignal): Promise<void> {
  await Promise.all(setup.links.map((proxy) => proxy.heal()))
  for (const part of setup.parts) if (part.running) await part.thaw()
  let unready: string[] = []
  for (const untilMs = performance.now() + deadlineMs; performance.now() < untilMs; await sleep(pollMs, signal)) {
    unready = setup.keeper.down()
    if (unready.length === 0) unready = await unreadyOf(setup)
    if (unready.length === 0) return
  }
  throw new Error(`not everything stood again within ${deadlineMs / 1_000} s: ${unready.join('; ')}`)
}

/** Brokers and workers that do not say that they are ready. */
export async function unreadyOf (setup: Setup): Promise<string[]> {
  const all = await Promise.all(setup.programs.map(async (program) => {
    const { ready, reasons } = await program.readyz().catch((error: unknown) => ({ ready: false, reasons: [(error as Error).message] }))
    return ready ? null : `${program.name} is not ready: ${reasons.join(', ')}`
  }))
  return all.filter((text) => text !== null)
}

/** Lets everything arrive. `tookMs` counts from the call: call it when all is healed. */
export async function comeToRest (setup: Setup, deadlineMs: number, signal: AbortSignal): Promise<RestFacts> {
  const startedMs = performance.now()
  const drained = setup.devices.drain(deadlineMs)
  let unrest = ['not looked at']
  while (performance.now() - startedMs < deadlineMs) {
    unrest = await unrestOf(setup)
    if (unrest.length === 0) break
    await sleep(pollMs, signal)
  }
  const tookMs = Math.round(performance.now() - startedMs)
  if (unrest.length === 0) await drained
  return { reached: unrest.length === 0, tookMs, deadlineMs, unrest }
}

async function unrestOf (setup: Setup): Promise<string[]> {
  const { outstanding } = setup.devices.facts()
  const streams = await withRedis(setup.redis.url, readStreams).catch((error: unknown) => `redis does not answer: ${(error as Error).message}`)
  return [
    ...(outstanding > 0 ? [`${outstanding} messages unacknowledged (${setup.devices.describe()})`] : []),
    ...(typeof streams === 'string' ? [streams] : unsettled(streams)),
    ...await unreadyOf(setup)
  ]
}

/** Partitions with entries that are unread or unacknowledged, in words. Pure. */
export function unsettled (streams: readonly StreamFacts[]): string[] {
  if (streams.length === 0) return ['redis knows no partitions']
  return streams.filter(({ pending, unread }) => pending > 0 || unread !== 0)
    .map(({ partition, pending, unread, length }) => `partition ${partition}: ${pending} unacknowledged, ${unread ?? `some of ${length}`} unread`)
}
