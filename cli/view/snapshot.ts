// What the view shows at one moment, gathered by up.ts and painted by live.ts (terminal) or plain.ts (elsewhere).

export interface Snapshot {
  readonly elapsedMs: number
  readonly database: string
  readonly databaseBytes: number
  readonly connected: number
  readonly devices: number
  /** Messages acknowledged since the start. */
  readonly acknowledged: number
  readonly messagesPerS: number
  /** Sample and wave rows committed per second. */
  readonly rowsPerS: number
  /** Publish → PUBACK, as the devices measure it. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Messages in the average batch since the last snapshot. */
  readonly messagesPerBatch: number
  readonly quarantined: number
  /** Empty when everything is ready; else why not. */
  readonly notReady: readonly string[]
  /** Read back from the database, never from the simulator. */
  readonly trace: Trace | null
}

/** A piece of one patient's signal as a reader finds it. */
export interface Trace {
  readonly title: string
  readonly unit: string
  readonly values: readonly number[]
}
