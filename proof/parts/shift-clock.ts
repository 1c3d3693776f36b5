// Preloaded (`node --import`) into a process whose wall clock the proof sets: Date.now() and new Date() are ahead of the real
// time by the milliseconds in the file PROOF_CLOCK_FILE, looked at every 50 ms at most. performance.now() and timers are
// untouched, as they are when a real clock is set. Imports nothing of ours, and does nothing when the variable is not set.
import { readFileSync } from 'node:fs'

const lookEveryMs = 50

const file = process.env['PROOF_CLOCK_FILE']

if (file !== undefined && file !== '') install(file)

function install (path: string): void {
  const RealDate = Date
  let shiftMs = 0
  let readAt = -Infinity

  function now (): number {
    const at = performance.now()
    if (at - readAt >= lookEveryMs) {
      readAt = at
      shiftMs = readShift(path) ?? shiftMs
    }
    return RealDate.now() + shiftMs
  }

  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args: unknown[], newTarget): object => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as object,
    apply: () => new RealDate(now()).toString(),
    get: (target, property, receiver): unknown => property === 'now' ? now : Reflect.get(target, property, receiver)
  })
  RealDate.prototype.constructor = globalThis.Date
}

function readShift (path: string): number | null {
  try {
    const shift = Number(readFileSync(path, 'utf8'))
    return Number.isSafeInteger(shift) ? shift : null
  } catch {
    return null // gone at the end of a proof: the clock stays as it is
  }
}
