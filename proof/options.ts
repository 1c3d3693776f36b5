// What a run of the proof is told: by a person's flags, or by a test.
import { type Logger } from '../runtime/observability.ts'

export interface ProofOptions {
  /** All chance of the run comes from it. */
  readonly seed: number
  /** Of the faults of one scenario. */
  readonly durationMs: number
  /** Devices, relayed sensors included, spread over the brokers. */
  readonly fleet: number
  /** Messages a second of each device. */
  readonly rate: number
  readonly brokers: number
  readonly workers: number
  readonly partitions: number
  /** How long a dead worker keeps its partitions. */
  readonly leaseMs: number
  /** JavaScript files that are run as `pulsegate`, and as the broker that acknowledges too early. */
  readonly mains: { readonly pulsegate: string, readonly control: string }
  /** Path of the Redis program. */
  readonly redisServer: string
  /** Folder of the PostgreSQL programs; undefined: those of the embedded database. */
  readonly pgBin: string | undefined
  /** Everything lies here: one folder a scenario, certificates and device keys. */
  readonly directory: string
  /** Folders of scenarios that passed are kept, too. */
  readonly keep: boolean
  readonly log: Logger
  /** Aborts when the person stops the proof. */
  readonly signal: AbortSignal
}
