// What the broker takes and what can be asked of it while it runs; broker.ts keeps it.
import { type Peers } from '../queue/peers.ts'
import { type QueueWriter } from '../queue/queue.ts'
import { type AuditTrail } from '../runtime/audit.ts'
import { type HandshakeGate } from '../runtime/handshake-gate.ts'
import { type Observability } from '../runtime/observability.ts'
import { type DeviceState } from '../schemas/device.ts'
import { type CredentialEnd, type TlsFiles } from './credentials.ts'
import { type Limits } from './limits.ts'
import { type Registry } from './registry.ts'
import { type BrokerStats } from './stats.ts'

export interface BrokerOptions {
  readonly host: string
  /** 0 takes a free one; `Broker.address` says which. */
  readonly port: number
  readonly tls: TlsFiles
  readonly queue: QueueWriter
  readonly registry: Registry
  /** The other brokers; without it this one is alone. */
  readonly peers?: Peers
  readonly limits?: Partial<Limits>
  /** Told of every connection and refusal; without it nobody is. */
  readonly audit?: AuditTrail
  readonly observability: Observability
}

export interface Broker {
  readonly address: { readonly host: string, readonly port: number }
  /** When what it works with now ends: certificates and revocation lists as last read. */
  readonly certificateEnds: readonly CredentialEnd[]
  /** Where the handshakes of other ports of this process take their turns. */
  readonly handshakes: HandshakeGate
  stats (): BrokerStats
  /** Closes the device's connection, if it has one, and says whether it had. `reason` goes to the log. */
  disconnect (id: string, reason: string): boolean
  /** Lets a device that is kept out as flapping in again at once; says whether it was. */
  pardon (id: string): boolean
  /**
   * Publishes `payload` on `v1/<id>/command` at QoS 1. Resolves when it is handed to the session (the device may be away
   * if its session is persistent); rejects with DEVICE_AWAY when there is nobody to hand it to, COMMAND_BACKLOG when too many wait.
   */
  command (id: string, payload: Uint8Array): Promise<void>
  /**
   * The registry has changed: what the broker remembers of the device is void, and its session ends unless it is active now; a device
   * that has become active is pardoned.
   * Whoever watches the registry calls it (a deleted device counts as retired).
   */
  registryChanged (id: string, state: DeviceState): void
  /** Ids of the devices that are connected, or would be let in from memory while the registry is away: what a watch looks after. */
  knownIds (): Iterable<string>
  /**
   * Reads the key, certificates and CRLs again; closes the sessions of devices revoked by now, or of a CA dropped by now, and tells other brokers.
   * Keeps the old ones if the new are faulty, and rejects.
   */
  reloadCertificates (): Promise<void>
  /** First step of stopping: takes no connection and reads nothing more; acknowledgements still leave as the queue settles. */
  drain (): void
  /** Last step, after the queue was closed: waits (at most `graceMs`) for acknowledgements to be written, then ends every connection. */
  close (options: { graceMs: number }): Promise<void>
}
