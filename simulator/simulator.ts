// The simulator: a fleet of devices that behave like hardware, in one process. Takes a fleet, credentials and an address;
// gives counts, the ledger, and an orderly end. Every message that got its PUBACK is in the ledger; every message made and
// not acknowledged is kept in the outbox, on disk too, and sent again with the same identity and bytes, after a kill -9 as well.
import { type Observability } from '../runtime/observability.ts'
import { type Fleet, type Pairing } from './fleet.ts'
import { type Ledger } from './ledger.ts'

export interface Credentials {
  /** PEM of the private key, made on the device side. */
  readonly keyPem: string
  /** PEM of the device's certificate, with the issuing CA's behind it. */
  readonly certPem: string
}

export interface SimulatorOptions {
  /** `mqtts://host:port` of the broker */
  readonly url: string
  /** PEM of the CAs the broker's certificate is checked against. */
  readonly ca: string
  readonly fleet: Fleet
  /** Asked once for each device with a connection of its own. */
  readonly credentials: (id: string) => Credentials | Promise<Credentials>
  /** Where outbox and ledger live; made when missing. */
  readonly directory: string
  /** Ledger file; default `<directory>/ledger.jsonl`. */
  readonly ledgerFile?: string
  /** Messages a second of every device; default: each kind's own tempo in the ward. */
  readonly rate?: number
  readonly keepaliveS?: number
  /** PUBLISHes on their way per connection before the next waits for a PUBACK. */
  readonly inFlight?: number
  readonly observability: Observability
}

export interface SimulatorStats {
  readonly devices: number
  /** Connections that stand (CONNACK 0), and how many there are in all. */
  readonly connected: number
  readonly connections: number
  /** Messages made since the start, births included. */
  readonly made: number
  /** PUBLISHes written, resends included. */
  readonly sent: number
  readonly resent: number
  readonly acknowledged: number
  /** Made and not acknowledged, those of earlier runs included. */
  readonly outstanding: number
  /** Made and thrown away because the outbox was full. */
  readonly dropped: number
  /** In acknowledged messages. */
  readonly samples: number
  readonly waves: number
  /** Acknowledged a second, over the last 5 s. */
  readonly messagesPerS: number
  /** publish → PUBACK */
  readonly ackLatency: { readonly p50Ms: number | null, readonly p99Ms: number | null }
}

export interface Simulator {
  readonly fleet: Fleet
  readonly pairings: readonly Pairing[]
  readonly ledger: Ledger
  stats (): SimulatorStats
  /** Stops measuring; resolves true when everything is acknowledged, false at the deadline. */
  drain (options: { graceMs: number }): Promise<boolean>
  /** Closes connections and files. What is unacknowledged stays in the outbox for the next start. */
  close (): Promise<void>
}

/** Starts; resolves once files are open, not when devices are connected. */
export async function startSimulator (options: SimulatorOptions): Promise<Simulator> {
  throw new Error(`not built yet: ${options.url}`)
}
