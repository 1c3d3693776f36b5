// Sealing bytes with AES-256-GCM. Pure but for the random nonce. A sealed box is: version byte, nonce (12), ciphertext, tag (16). What
// it belongs to is bound as associated data, so that a box opens in its own place only. The version byte is bound too.
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto'
import { PulsegateError } from '../../runtime/errors.ts'

const nonceBytes = 12
const tagBytes = 16
/** How much longer a box is than what is in it. */
export const sealOverhead = 1 + nonceBytes + tagBytes

/** Fields as bytes: no two lists give the same, null and the empty text differ. */
export function bind (fields: ReadonlyArray<string | null>): Buffer {
  return Buffer.from(JSON.stringify(fields))
}

/** `aad`: what it belongs to. The caller bounds how many boxes one key seals (random nonces: far below 2^32). */
export function seal (key: KeyObject, version: number, plain: Uint8Array, aad: Buffer): Buffer {
  const head = Buffer.from([version])
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(Buffer.concat([head, aad]))
  const body = cipher.update(plain)
  return Buffer.concat([head, nonce, body, cipher.final(), cipher.getAuthTag()])
}

/** What is in a box. Error SEALED_DATA_DAMAGED: changed, moved, or sealed with another key. */
export function open (key: KeyObject, box: Buffer, aad: Buffer): Buffer {
  if (box.length < sealOverhead) throw damaged()
  const head = box.subarray(0, 1)
  const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(1, 1 + nonceBytes), { authTagLength: tagBytes })
  decipher.setAAD(Buffer.concat([head, aad]))
  decipher.setAuthTag(box.subarray(box.length - tagBytes))
  try {
    return Buffer.concat([decipher.update(box.subarray(1 + nonceBytes, box.length - tagBytes)), decipher.final()])
  } catch (cause) {
    throw damaged(cause)
  }
}

function damaged (cause?: unknown): PulsegateError {
  return new PulsegateError('SEALED_DATA_DAMAGED', 'sealed data does not open', cause === undefined ? {} : { cause })
}
