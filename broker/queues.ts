// Who waits at one address, a queue for each port: the oldest of a port goes first, and the ports take turns, so that a storm at one of them
// keeps nobody waiting at another. Takes an item and the port it came to (any object, by identity), gives the next one.
//
// Promise: a port whose queue is empty is forgotten; the items are bounded by the connections of the ports.

export class Queues<W> {
  /** The port whose turn it is comes first. */
  readonly #byPort = new Map<object, W[]>()

  get length (): number {
    let sum = 0
    for (const queue of this.#byPort.values()) sum += queue.length
    return sum
  }

  push (port: object, item: W): void {
    const queue = this.#byPort.get(port)
    if (queue === undefined) this.#byPort.set(port, [item])
    else queue.push(item)
  }

  /** The oldest of the port whose turn it is; then it is the next port's. */
  shift (): W | undefined {
    const [turn] = this.#byPort
    if (turn === undefined) return undefined
    const [port, queue] = turn
    const item = queue.shift()
    this.#byPort.delete(port)
    if (queue.length > 0) this.#byPort.set(port, queue)
    return item
  }

  /** Takes out the oldest of each port for as long as `isDue` says so. */
  takeOldest (isDue: (item: W) => boolean): W[] {
    const taken: W[] = []
    for (const [port, queue] of this.#byPort) {
      const first = queue.findIndex((item) => !isDue(item))
      taken.push(...queue.splice(0, first === -1 ? queue.length : first))
      if (queue.length === 0) this.#byPort.delete(port)
    }
    return taken
  }
}
