// One at a time, first come, first served.

export class Turnstile {
  #last: Promise<void> = Promise.resolve()

  /** Waits for its turn, which ends with the call of the function it resolves to. */
  async enter (): Promise<() => void> {
    const before = this.#last
    let leave: () => void = () => {}
    this.#last = new Promise((resolve) => { leave = resolve })
    await before
    return leave
  }
}
