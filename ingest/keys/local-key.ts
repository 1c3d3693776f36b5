// A master key in this process's memory: wraps data keys with AES-256-GCM. Its id tells master keys apart and says nothing of the key.
import { createHash, createSecretKey } from 'node:crypto'
import { PulsegateError } from '../../runtime/errors.ts'
import { contextText, type KeyContext, type KeyService, type WrappedKey } from './key-service.ts'
import { open, seal } from './seal.ts'

export const masterKeyBytes = 32
const version = 1

/** Hex of the first 8 bytes of SHA-256 over "pulsegate master key" and the key. */
export function masterIdOf (key: Uint8Array): string {
  return createHash('sha256').update('pulsegate master key').update(key).digest('hex').slice(0, 16)
}

/** `key`: 32 random bytes; the caller's buffer is not kept. `place`: where it came from, for messages. */
export function localKeyService (key: Uint8Array, place = 'memory'): KeyService {
  if (key.length !== masterKeyBytes) throw new PulsegateError('MASTER_KEY_INVALID', `${place} does not hold ${masterKeyBytes} bytes`)
  const id = masterIdOf(key)
  const secret = createSecretKey(Buffer.from(key)) // unlike a buffer it is never printed
  const aad = (context: KeyContext): Buffer => Buffer.from(contextText(context))
  return {
    place,
    id: async () => id,
    wrap: async (dataKey, context) => ({ master: id, wrapped: seal(secret, version, dataKey, aad(context)) }),
    unwrap: async ({ master, wrapped }: WrappedKey, context) => {
      if (master !== id) throw unknownMaster(master, [id])
      return open(secret, wrapped, aad(context))
    },
    close () {}
  }
}

export function unknownMaster (master: string, known: readonly string[]): PulsegateError {
  return new PulsegateError('KEY_MASTER_UNKNOWN', `a data key is wrapped by master key ${master}; here there is only ${known.join(', ')}`)
}
