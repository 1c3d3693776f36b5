// Every bound of the broker in one place, with what happens at it. Nothing here drops a message: at a bound we stop
// reading, and TCP tells the device to wait; a peer that breaks a rule is closed and keeps its messages.

export interface Limits {
  /** Sockets at once, those still in the handshake included. Beyond: closed at accept, counted `too-many-connections`. */
  readonly maxConnections: number
  /** For the TLS handshake, and again from its end to CONNACK. Beyond: closed, counted `handshake-timeout`, `connect-timeout`. */
  readonly connectTimeoutMs: number
  /** How long the registry may take over one CONNECT before the broker falls back on what it knows. */
  readonly admitTimeoutMs: number
  /** How long an earlier `active` answer may stand in for a registry that is away. */
  readonly admissionMemoryMs: number
  /** How many such answers are kept, the least recently used forgotten first. */
  readonly admissionMemoryEntries: number
  /** The CONNECT packet, will included. Refused at its header bytes: `frame-too-large`. */
  readonly maxConnectBytes: number
  /** The CBOR payload of a PUBLISH; the contract's own limit. Refused at the header bytes: `frame-too-large`. */
  readonly maxPayloadBytes: number
  /** Unacknowledged messages of one connection. At it: the socket is paused until half are acknowledged. */
  readonly maxInFlightMessages: number
  /** Their payload bytes. */
  readonly maxInFlightBytes: number
  /** Unacknowledged messages of all connections. At it: sockets are paused and resumed first come, first served. */
  readonly maxTotalMessages: number
  /** Their payload bytes. */
  readonly maxTotalBytes: number
  /** Bytes written for a peer and not taken by it. Beyond the socket's own mark we stop reading; at this: closed. */
  readonly maxWriteBytes: number
  /** How long a peer may leave written bytes untaken. Beyond: closed, counted `write-stalled`. */
  readonly writeStallMs: number
  /** Largest keepalive a device may ask for, seconds. Beyond: refused, `keepalive-out-of-range`. */
  readonly maxKeepaliveS: number
  /** keepalive 0 ("never") is either kept as `maxKeepaliveS` or refused. */
  readonly keepaliveZero: 'cap' | 'refuse'
  /** How long a DISCONNECT or a half-closed socket waits for acknowledgements still due. */
  readonly farewellMs: number
  /** How long a closed connection may take to read our last bytes before it is cut. */
  readonly lingerMs: number
  /** Commands waiting in memory for one device that is away. Beyond: `command` rejects. */
  readonly maxWaitingCommands: number
}

const kibi = 1024

export const defaultLimits: Limits = {
  maxConnections: 10_000, // about 70 KB each at rest
  connectTimeoutMs: 10_000,
  admitTimeoutMs: 3_000, // leaves most of the connect timeout to the handshake
  admissionMemoryMs: 24 * 3_600_000, // an outage of a night must not lock the ward out
  admissionMemoryEntries: 100_000,
  maxConnectBytes: 8 * kibi,
  maxPayloadBytes: 64 * kibi,
  maxInFlightMessages: 256,
  maxInFlightBytes: 1_024 * kibi, // at least one message of the largest size always fits
  maxTotalMessages: 50_000,
  maxTotalBytes: 64 * kibi * kibi,
  maxWriteBytes: 256 * kibi,
  writeStallMs: 30_000,
  maxKeepaliveS: 3_600,
  keepaliveZero: 'cap',
  farewellMs: 30_000,
  lingerMs: 2_000,
  maxWaitingCommands: 100
}
