// The broker as the rest of Pulsegate sees it: start it with certificates, a queue and a registry; it takes messages
// from devices over mutual TLS, gives them to the queue, and answers PUBACK when the queue says durable.
import { type QueueWriter } from '../queue/queue.ts'
import { type Observability } from '../runtime/observability.ts'
import { type Limits } from './limits.ts'
import { type Registry } from './registry.ts'

export interface TlsFiles {
  /** PEM of the server's private key; must not be readable by others. */
  readonly keyFile: string
  /** PEM of the server's certificate, its chain included. */
  readonly certFile: string
  /** PEM bundle of the issuing CA(s) and the root. Devices must be issued by one of the issuing CAs in it. */
  readonly caFile: string
  /** One PEM CRL a file, one for every CA in `caFile`. */
  readonly crlFiles: readonly string[]
}

export interface BrokerOptions {
  readonly host: string
  /** 0 takes a free one; `Broker.address` says which. */
  readonly port: number
  readonly tls: TlsFiles
  readonly queue: QueueWriter
  readonly registry: Registry
  readonly limits?: Partial<Limits>
  readonly observability: Observability
}

export interface BrokerStats {
  /** Sockets that have passed the TLS handshake. */
  readonly connections: number
  /** Those whose CONNECT was accepted. */
  readonly sessions: number
  /** Those we have stopped reading. */
  readonly paused: number
  /** Messages that came in: given to the queue, or refused. received = stored + duplicate + quarantined + refused. */
  readonly received: number
  /** Messages refused, `not-stored` included. */
  readonly messagesRefused: number
  readonly pubacksSent: number
  readonly inFlight: { readonly messages: number, readonly bytes: number }
  /** Every refusal since the start by reason (broker/refusals.ts); reasons that never happened are absent. */
  readonly refused: Readonly<Record<string, number>>
  /** From taking a PUBLISH to writing its PUBACK, over the whole life of the broker. Null before the first. */
  readonly ackLatency: { readonly count: number, readonly p50Ms: number | null, readonly p99Ms: number | null }
  readonly draining: boolean
}

export interface Broker {
  readonly address: { readonly host: string, readonly port: number }
  stats (): BrokerStats
  /** Closes the device's connection, if it has one, and says whether it had. `reason` goes to the log. */
  disconnect (id: string, reason: string): boolean
  /**
   * Publishes `payload` on `v1/<id>/command` at QoS 1. Resolves when it is handed to the session (the device may be away
   * if its session is persistent); rejects with DEVICE_AWAY when there is nobody to hand it to, COMMAND_BACKLOG when too many wait.
   */
  command (id: string, payload: Uint8Array): Promise<void>
  /** Reads the key, certificates and CRLs again; closes the sessions of devices revoked by now. Keeps the old ones if the new are faulty, and rejects. */
  reloadCertificates (): Promise<void>
  /** First step of stopping: takes no connection and reads nothing more; acknowledgements still leave as the queue settles. */
  drain (): void
  /** Last step, after the queue was closed: waits (at most `graceMs`) for acknowledgements to be written, then ends every connection. */
  close (options: { graceMs: number }): Promise<void>
}

/** Starts listening. Rejects with a TLS_FILE_* or LISTEN_FAILED PulsegateError naming the path or address. */
export async function startBroker (options: BrokerOptions): Promise<Broker> {
  throw new Error(`not yet: ${options.host}`)
}
