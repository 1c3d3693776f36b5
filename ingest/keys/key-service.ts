// What holds the master key: a file on this machine, or a service that never gives it away. Data keys are sent there to be wrapped and
// unwrapped; nothing else is asked of it, so another kind of holder (an HSM, a cloud's key manager) is one more implementation.

/** What a data key is for; bound to it, so that one wrapped key cannot be put in the place of another. */
export interface KeyContext {
  readonly purpose: 'quarantine' | 'export' | 'digest'
  readonly tenant: string
  /** YYYY-MM-DD, UTC; null for purposes that are not by day. */
  readonly day: string | null
}

export interface WrappedKey {
  /** Which master key wraps it. */
  readonly master: string
  readonly wrapped: Buffer
}

/** Every call has a deadline. Errors: KEY_UNAVAILABLE (later perhaps), KEY_MASTER_UNKNOWN, KEY_SERVICE_REFUSED, SEALED_DATA_DAMAGED. */
export interface KeyService {
  /** Where it is, for messages: a path or a URL without secrets. */
  readonly place: string
  /** Which master key wraps now. */
  id (): Promise<string>
  wrap (dataKey: Buffer, context: KeyContext): Promise<WrappedKey>
  unwrap (key: WrappedKey, context: KeyContext): Promise<Buffer>
  close (): void
}

/** The context as bytes: no two contexts give the same. */
export function contextText ({ purpose, tenant, day }: KeyContext): string {
  return JSON.stringify(['pulsegate data key', purpose, tenant, day])
}
