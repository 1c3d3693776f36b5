// Private keys under a passphrase, as PKCS #8 with PBES2 (RFC 8018): takes a key and a passphrase, gives PEM that OpenSSL opens. Scrypt
// (RFC 7914) makes the key for AES-256-CBC: node:crypto itself would take 2,048 rounds of PBKDF2, which a thief's graphics card
// tries by the hundred thousand a second.
import { createCipheriv, randomBytes, scryptSync, type KeyObject } from 'node:crypto'
import { integer, objectId, octetString, sequence } from './der.ts'
import { toPem } from './signing.ts'

/** 16 MiB and tens of milliseconds a try; more than 32 MiB OpenSSL refuses to open. */
const cost = { N: 16_384, r: 8, p: 1 }
const aes256 = { name: 'aes-256-cbc', keyBytes: 32, ivBytes: 16 }

const pbes2 = objectId('2a864886f70d01050d')
const scrypt = objectId('2b06010401da47040b')
const aes256cbc = objectId('60864801650304012a')

/** ENCRYPTED PRIVATE KEY in PEM. Blocks for as long as scrypt takes. */
export function encryptedKeyPem (key: KeyObject, passphrase: string): string {
  const salt = randomBytes(16)
  const iv = randomBytes(aes256.ivBytes)
  const cipher = createCipheriv(aes256.name, scryptSync(passphrase, salt, aes256.keyBytes, cost), iv)
  const sealed = Buffer.concat([cipher.update(key.export({ type: 'pkcs8', format: 'der' })), cipher.final()])
  const derivation = sequence(scrypt, sequence(octetString(salt), integer(Buffer.of(0x40, 0x00)), integer(Buffer.of(cost.r)), integer(Buffer.of(cost.p))))
  const algorithm = sequence(pbes2, sequence(derivation, sequence(aes256cbc, octetString(iv))))
  return toPem('ENCRYPTED PRIVATE KEY', sequence(algorithm, octetString(sealed)))
}

export function isEncryptedKey (pem: string): boolean {
  return pem.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')
}
