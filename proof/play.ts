// Carries out planned faults on a set-up: each at its time, undone after its time, two at once where they overlap. A part that was
// killed is given back to the keeper, which starts it. Gives what was really done.
import { sleep } from '../runtime/retry.ts'
import { type DoneFault, type Fault, linkDelayMs, linkThrottleBytesPerS, type PlannedFault } from './fault.ts'
import { standsStill } from './parts/process-tree.ts'
import { type Program } from './parts/program.ts'
import { type Proxy } from './parts/proxy.ts'
import { type Setup } from './setup.ts'

type Of<K extends Fault['kind']> = Extract<Fault, { kind: K }>

// A fail point under load is passed within a second; half a minute without means that the place is not on the way of a message.
const failPointWithinMs = 30_000
const standsWithinMs = 30_000
const lookEveryMs = 100
const midFrameEveryMs = 300

export async function playSchedule (setup: Setup, schedule: readonly PlannedFault[], signal: AbortSignal): Promise<DoneFault[]> {
  const startedMs = performance.now()
  return await Promise.all(schedule.map(async ({ atMs, fault }) => {
    await sleep(Math.max(0, startedMs + atMs - performance.now()), signal)
    const begunAtMs = Math.round(performance.now() - startedMs)
    const happened = await playFault(setup, fault, signal)
    return { atMs: begunAtMs, fault, endedAtMs: Math.round(performance.now() - startedMs), happened }
  }))
}

/** False when it did not happen. */
export async function playFault (setup: Setup, fault: Fault, signal: AbortSignal): Promise<boolean> {
  switch (fault.kind) {
    case 'kill': return await killed(setup, fault, signal)
    case 'freeze': return await frozen(setup, fault, signal)
    case 'link': return await hurt(setup.link(fault.target), fault, signal)
    case 'fail-point': return await atFailPoint(setup, fault, signal)
  }
}

async function killed (setup: Setup, { target, forMs }: Of<'kill'>, signal: AbortSignal): Promise<boolean> {
  if (!await stands(setup, target, signal)) return false
  setup.keeper.hold(target)
  try {
    await setup.part(target).kill()
    await sleep(forMs, signal)
    return true
  } finally {
    setup.keeper.release(target)
  }
}

async function frozen (setup: Setup, { target, forMs }: Of<'freeze'>, signal: AbortSignal): Promise<boolean> {
  if (!await stands(setup, target, signal)) return false
  const part = setup.part(target)
  await part.freeze()
  try {
    await sleep(forMs, signal)
  } finally {
    await part.thaw()
  }
  return true
}

/** Waits until `target` has come up from an earlier fault: who is dead cannot be killed. */
async function stands (setup: Setup, target: string, signal: AbortSignal): Promise<boolean> {
  for (const untilMs = performance.now() + standsWithinMs; setup.keeper.isDown(target);) {
    if (performance.now() > untilMs) return false
    await sleep(lookEveryMs, signal)
  }
  return true
}

/** A link that carries nothing proves nothing: its connections are waited for, where another fault has just ended them. */
async function hurt (proxy: Proxy, { how, forMs }: Of<'link'>, signal: AbortSignal): Promise<boolean> {
  for (const untilMs = performance.now() + standsWithinMs; proxy.stats().connections === 0;) {
    if (performance.now() > untilMs) return false
    await sleep(lookEveryMs, signal)
  }
  await begin(proxy, how)
  const again = how === 'reset-mid-frame' ? setInterval(() => { proxy.resetMidFrame() }, midFrameEveryMs) : null
  try {
    await sleep(forMs, signal)
  } finally {
    if (again !== null) clearInterval(again)
    await proxy.heal()
  }
  return true
}

async function begin (proxy: Proxy, how: Of<'link'>['how']): Promise<void> {
  switch (how) {
    case 'cut': { proxy.cut(); return }
    case 'refuse': {
      await proxy.refuse(true)
      proxy.cut()
      return
    }
    case 'delay': { proxy.delay(linkDelayMs); return }
    case 'drop-replies': { proxy.dropReplies(true); return }
    case 'half-open': { proxy.halfOpen(); return }
    case 'reset-mid-frame': { proxy.resetMidFrame(); return }
    case 'throttle': proxy.throttle(linkThrottleBytesPerS)
  }
}

async function atFailPoint (setup: Setup, fault: Of<'fail-point'>, signal: AbortSignal): Promise<boolean> {
  const { target, point, hit, action, forMs } = fault
  const program = setup.program(target)
  if (!await stands(setup, target, signal)) return false
  setup.keeper.hold(target)
  try {
    await program.stop()
    const { pid } = program
    program.setEnv({ PULSEGATE_FAIL_POINTS: `${point}@${hit}:${action}` })
    // it may be there before it stands: then the start fails, or never ends
    const start = program.start().then(() => { setup.keeper.started(target) }, () => {})
    const happened = await reached(program, pid, action, signal)
    await sleep(happened ? forMs : 0, signal)
    if (action === 'stop') await program.thaw()
    if (!happened) await program.stop()
    await start
    return happened
  } finally {
    program.setEnv({ PULSEGATE_FAIL_POINTS: undefined })
    setup.keeper.release(target)
  }
}

/** True when the process that came after `before` has been killed, or stands still, in time. */
async function reached (program: Program, before: number | null, action: 'kill' | 'stop', signal: AbortSignal): Promise<boolean> {
  for (const untilMs = performance.now() + failPointWithinMs; performance.now() < untilMs;) {
    const { pid, lastEnd } = program
    if (pid !== null && pid !== before && (action === 'kill' ? lastEnd?.signal === 'SIGKILL' : await standsStill(pid))) return true
    await sleep(lookEveryMs, signal)
  }
  return false
}
