// The files of the broker's TLS, read and parsed: takes texts and their paths, gives keys, certificates and lists. What cannot be read or
// is something else is TLS_FILE_MISSING or TLS_FILE_INVALID with its path; no content is ever repeated.
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { PulsegateError } from '../runtime/errors.ts'
import { parseCrl, type Crl } from '../runtime/crl.ts'
import { readPassphrase } from '../runtime/passphrase.ts'
import { pemBlocks, pemBytes } from '../runtime/pem.ts'

export interface ListFile { readonly pem: string, readonly crl: Crl, readonly file: string }

export async function readText (file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new PulsegateError('TLS_FILE_MISSING', `${what} ${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`, { cause: error })
  }
}

/** At least one. */
export function certificatesIn (text: string, file: string): X509Certificate[] {
  return parsed(file, 'a certificate', () => {
    const blocks = pemBlocks(text, 'CERTIFICATE')
    if (blocks.length === 0) throw new Error('no CERTIFICATE block')
    return blocks.map((block) => new X509Certificate(block))
  })
}

/** At least one. */
export function listsIn (text: string, file: string): ListFile[] {
  return parsed(file, 'a CRL (X509 CRL)', () => {
    const blocks = pemBlocks(text, 'X509 CRL')
    if (blocks.length === 0) throw new Error('no X509 CRL block')
    return blocks.map((pem) => ({ pem, file, crl: parseCrl(pemBytes(pem)) }))
  })
}

/** The key, and its PEM without encryption. Rejects with CERTS_PASSPHRASE_UNUSABLE when it is encrypted and the passphrase not the right one. */
export async function privateKeyIn (text: string, { keyFile, passphraseFile }: { keyFile: string, passphraseFile?: string | undefined }): Promise<{ key: KeyObject, pem: string }> {
  if (!/-----BEGIN (ENCRYPTED PRIVATE KEY-----|[A-Z ]+-----\nProc-Type: 4,ENCRYPTED)/.test(text)) {
    return { key: parsed(keyFile, 'a private key', () => createPrivateKey(text)), pem: text }
  }
  if (passphraseFile === undefined) {
    throw new PulsegateError('CERTS_PASSPHRASE_UNUSABLE', `The server key ${keyFile} is encrypted, and no passphrase file is named.`)
  }
  const passphrase = await readPassphrase(passphraseFile)
  try {
    const key = createPrivateKey({ key: text, passphrase })
    return { key, pem: key.export({ type: 'pkcs8', format: 'pem' }) as string }
  } catch {
    // without OpenSSL's error as cause: it can only say the same in other words
    throw new PulsegateError('CERTS_PASSPHRASE_UNUSABLE', `The passphrase in ${passphraseFile} does not open the server key ${keyFile}.`)
  }
}

function parsed<T> (file: string, what: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new PulsegateError('TLS_FILE_INVALID', `${file} does not hold ${what} in PEM`, { cause: error })
  }
}
