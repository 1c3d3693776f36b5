// What the proof may hurt: the processes of a set-up, each a Part. All parts have the same few verbs, so that a schedule of
// faults is plain data (a part, a verb, a time) and knows nothing of Redis or PostgreSQL.

/** A process (tree) of the set-up that the proof may hurt. Start again means: same address, same data. */
export interface Part {
  /** 'broker-1', 'worker-2', 'redis', 'postgres' */
  readonly name: string
  /** Has a process; one that is frozen has. */
  readonly running: boolean
  /** Resolves when it answers; rejects with the end of its log when it does not. */
  start (): Promise<void>
  /** Orderly (SIGTERM or its like), bounded, then SIGKILL. Nothing to do when it does not run. */
  stop (): Promise<void>
  /** SIGKILL to every process of it; resolves when they are gone. */
  kill (): Promise<void>
  /** SIGSTOP to every process of it; resolves when they stand still. */
  freeze (): Promise<void>
  /** SIGCONT to every process of it. */
  thaw (): Promise<void>
  /** Sum over its processes; null when it does not run or the machine has no /proc. */
  residentBytes (): Promise<number | null>
}
