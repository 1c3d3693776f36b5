// Why a socket is not read, one bit each: it is read when none is set. Set by the front and by nobody else.

export const stop = {
  /** CONNECT is with Aedes; nothing behind it is looked at before CONNACK 0 has gone out. */
  connack: 1,
  /** This connection has as much unacknowledged as it may. */
  room: 2,
  /** All connections together have. */
  budget: 4,
  /** The peer does not read what we write. */
  write: 8,
  /** Aedes has not read the control packets it was given. */
  control: 16,
  /** The broker is draining. */
  drain: 32,
  /** DISCONNECT or end of stream came; only acknowledgements due are still written. */
  farewell: 64,
  /** Refused or closed: nothing is looked at any more. */
  closed: 128,
  /** This connection has sent as much as it may in this time. */
  pace: 256,
  /** All connections together have. */
  totalPace: 512
} as const
