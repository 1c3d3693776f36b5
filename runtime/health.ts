// Whether this process can do its work now, and if not, why. Parts register a check that answers from memory, at once
// (a check never waits on a socket: a probe of a hung database must not hang too); health-server.ts tells the outside.

export interface CheckResult {
  readonly ready: boolean
  /** Why not, for a person; names no secret. */
  readonly reason?: string
  /** What else a person may want to know of it: the state of a circuit breaker, a backlog. */
  readonly detail?: Readonly<Record<string, string | number | boolean | null>>
}

export interface HealthReport {
  readonly ready: boolean
  readonly checks: Readonly<Record<string, CheckResult>>
}

export class Health {
  readonly #checks = new Map<string, () => CheckResult>()

  /** Adds a check under a name; a name taken is replaced. Returns a function that removes it. */
  register (name: string, check: () => CheckResult): () => void {
    this.#checks.set(name, check)
    return () => { if (this.#checks.get(name) === check) this.#checks.delete(name) }
  }

  /** Asks every check. Ready only when all are; a check that throws is not ready. */
  report (): HealthReport {
    const checks: Record<string, CheckResult> = {}
    for (const [name, check] of this.#checks) checks[name] = ask(check)
    return { ready: Object.values(checks).every(({ ready }) => ready), checks }
  }
}

function ask (check: () => CheckResult): CheckResult {
  try {
    return check()
  } catch {
    return { ready: false, reason: 'the check itself failed' }
  }
}
