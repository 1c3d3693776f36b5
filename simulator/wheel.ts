// One timer for all devices. A thousand devices with a timer each would cost a thousand timers a second and as many file
// writes; here what is due together runs together, and `afterTurn` closes the turn (one write, then the publishes).
// Times are of the monotonic clock, ms: a step of the wall clock, or a laptop that slept, moves nothing.

interface Task { readonly dueMs: number, readonly order: number, readonly run: () => void }

// Turns begin at multiples of this: coarse enough to batch, fine enough for 100 messages a second of one device.
const turnMs = 5

export class Wheel {
  readonly #afterTurn: () => void
  // a binary heap, earliest first; equal times in the order they were asked for
  readonly #heap: Task[] = []
  #order = 0
  #timer: NodeJS.Timeout | null = null
  #armedForMs = Infinity
  #closed = false

  constructor (afterTurn: () => void) {
    this.#afterTurn = afterTurn
  }

  /** Monotonic now, ms. */
  get nowMs (): number { return performance.now() }

  /** Runs `run` once at `dueMs` or within a turn after; never after close. */
  at (dueMs: number, run: () => void): void {
    if (this.#closed) return
    this.#push({ dueMs, order: this.#order++, run })
    this.#arm()
  }

  after (waitMs: number, run: () => void): void {
    this.at(this.nowMs + waitMs, run)
  }

  close (): void {
    this.#closed = true
    this.#heap.length = 0
    if (this.#timer) clearTimeout(this.#timer)
  }

  #arm (): void {
    const dueMs = this.#heap[0]?.dueMs ?? Infinity
    if (dueMs >= this.#armedForMs || this.#closed) return
    if (this.#timer) clearTimeout(this.#timer)
    this.#armedForMs = Math.ceil(dueMs / turnMs) * turnMs
    this.#timer = setTimeout(() => this.#turn(), Math.max(0, this.#armedForMs - this.nowMs))
  }

  #turn (): void {
    this.#armedForMs = Infinity
    const nowMs = this.nowMs
    for (let task = this.#heap[0]; task && task.dueMs <= nowMs; task = this.#heap[0]) {
      this.#pop()
      task.run()
    }
    this.#afterTurn()
    this.#arm()
  }

  #push (task: Task): void {
    const heap = this.#heap
    let at = heap.push(task) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (!above || !isBefore(task, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = task
  }

  #pop (): void {
    const heap = this.#heap
    const moved = heap.pop()
    if (!moved || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const left = heap[child]
      const right = heap[child + 1]
      if (!left) break
      if (right && isBefore(right, left)) child++
      const next = heap[child]
      if (!next || !isBefore(next, moved)) break
      heap[at] = next
      at = child
    }
    heap[at] = moved
  }
}

function isBefore (a: Task, b: Task): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)
}
