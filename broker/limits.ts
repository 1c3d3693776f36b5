// Every bound of the broker in one place, with what happens at it. Nothing here drops a message: at a bound we stop
// reading, and TCP tells the device to wait; a peer that breaks a rule is closed and keeps its messages.

export interface Limits {
  /** Sockets at once, those still in the handshake included. Beyond: closed at accept, counted `too-many-connections`. */
  readonly maxConnections: number
  /** Of them from one address (IPv6: one /64), and without a session no more than are left free. Beyond: closed at accept, counted `too-many-from-address`. */
  readonly maxConnectionsPerAddress: number
  /** TLS handshakes at work at once. Beyond: connections wait unread for their turn, each address in its own. */
  readonly maxHandshakes: number
  /** Longest such wait. Beyond: closed, counted `handshake-busy`. */
  readonly handshakeWaitMs: number
  /** Handshakes one address may begin a second, after four seconds' worth at once. Beyond: they wait. */
  readonly handshakesPerAddress: number
  /** Failures in a minute to show who one is, from one address, before it is kept out (`address-banned`; slowed down where devices come from that behave). 0: never. */
  readonly authenticationFailures: number
  /** How long, the first time, and at most: each time twice as long. */
  readonly addressFirstBanMs: number
  readonly addressMaxBanMs: number
  /** Sessions of one device in a minute that end by a rule broken before the device is kept out (`flapping`). 0: never. */
  readonly flappingSessions: number
  readonly flappingFirstBanMs: number
  readonly flappingMaxBanMs: number
  /** A device that comes with an older certificate after a newer one was used: only reported, or refused (`certificate-superseded`). */
  readonly clonePolicy: 'report' | 'refuse'
  /** How long a certificate that was used is remembered for that. */
  readonly cloneMemoryMs: number
  /** Packets one device may send a second, after ten seconds' worth at once. At it: its socket is paused. 0: no limit. */
  readonly deviceMessagesPerSecond: number
  /** Bytes, in the same way. */
  readonly deviceBytesPerSecond: number
  /** Packets all devices may send a second, after one second's worth at once. At it: sockets are paused, resumed first come, first served. 0: no limit. */
  readonly totalMessagesPerSecond: number
  readonly totalBytesPerSecond: number
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
  maxConnectionsPerAddress: 5_000, // a whole house may sit behind one
  maxHandshakes: 256,
  handshakeWaitMs: 30_000,
  handshakesPerAddress: 500,
  authenticationFailures: 100,
  addressFirstBanMs: 30_000,
  addressMaxBanMs: 600_000,
  flappingSessions: 10,
  flappingFirstBanMs: 10_000,
  flappingMaxBanMs: 600_000,
  clonePolicy: 'report',
  cloneMemoryMs: 7 * 24 * 3_600_000,
  deviceMessagesPerSecond: 2_000,
  deviceBytesPerSecond: 4 * kibi * kibi,
  totalMessagesPerSecond: 0,
  totalBytesPerSecond: 0,
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
