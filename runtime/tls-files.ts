// The files of our side of an encrypted connection: the CA we trust, and the certificate and key we show. Read when a connection is
// opened, so that a renewed file is taken by the next one. Errors name the file: TLS_FILE_UNREADABLE, SECRET_FILE_EXPOSED.
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { PulsegateError } from './errors.ts'
import { readPrivateFile } from './secret-file.ts'

export interface TlsFileNames {
  /** PEM; absent: the CAs that Node trusts. */
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
}

export interface TlsFileTexts { readonly ca?: string, readonly cert?: string, readonly key?: string }

export function readTlsFiles ({ caFile, certFile, keyFile }: TlsFileNames): TlsFileTexts {
  if ((certFile === undefined) !== (keyFile === undefined)) throw new PulsegateError('TLS_FILE_UNREADABLE', `a client certificate needs its key and a key its certificate; only ${certFile ?? keyFile} is given`)
  const files = {
    ...(caFile !== undefined && { ca: readPem(caFile) }),
    ...(certFile !== undefined && { cert: readPem(certFile) }),
    ...(keyFile !== undefined && { key: readPrivateFile(keyFile).toString('utf8') })
  }
  try {
    createSecureContext(files)
  } catch (cause) {
    throw new PulsegateError('TLS_FILE_UNREADABLE', `${[certFile, keyFile, caFile].filter((name) => name !== undefined).join(', ')}: not usable for TLS (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`)
  }
  return files
}

function readPem (path: string): string {
  try {
    const text = readFileSync(path, 'utf8')
    // a file without a certificate would quietly mean: trust nobody
    if (text.includes('-----BEGIN ')) return text
  } catch (cause) {
    throw new PulsegateError('TLS_FILE_UNREADABLE', `${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`, { cause })
  }
  throw new PulsegateError('TLS_FILE_UNREADABLE', `${path} holds no certificate in PEM`)
}
