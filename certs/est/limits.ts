// The bounds of the EST server, in one place.
import { defaultDeviceRate, defaultRate, type RateLimits } from './rate.ts'

export interface EstLimits {
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  readonly handshakeTimeoutMs: number
  /** From the first byte of a request to its last. */
  readonly requestTimeoutMs: number
  readonly keepAliveMs: number
  /** Requests that wait for the signature of others. */
  readonly maxWaiting: number
  /** Of an address. */
  readonly rate: RateLimits
  /** Of a device that shows its certificate, wherever it is; each certificate whose renewal is due has as much of its own. */
  readonly deviceRate: RateLimits
}

export const defaultEstLimits: EstLimits = {
  maxConnections: 500,
  maxConnectionsPerAddress: 100,
  handshakeTimeoutMs: 10_000,
  requestTimeoutMs: 10_000,
  keepAliveMs: 5_000,
  maxWaiting: 100,
  rate: defaultRate,
  deviceRate: defaultDeviceRate
}
