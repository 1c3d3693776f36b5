// Whether a connection to PostgreSQL is encrypted, and whom it trusts. Pure but for reading certificate files. Takes the URL, gives what pg
// takes. Promise: an address that is not on this machine gets verified TLS (certificate and host name, as libpq's verify-full) unless the
// URL says sslmode=disable in so many words; weaker modes that encrypt are taken as verify-full, never as less.
import { isLocalAddress } from '../runtime/local-address.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { readTlsFiles, type TlsFileNames } from '../runtime/tls-files.ts'
import { tlsFaultOf } from '../runtime/tls-fault.ts'

export interface DatabaseAddress {
  /** The URL without anything about TLS, its host written out. */
  readonly connectionString: string
  readonly host: string
  readonly local: boolean
  /** `off` to another machine only when the URL demands it. */
  readonly tls: 'verified' | 'off'
  readonly files: TlsFileNames
}

const encrypting = ['allow', 'prefer', 'require', 'verify-ca', 'verify-full']
const tlsParameters = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslpassword', 'uselibpqcompat', 'sslnegotiation']

/** Error CONFIG_INVALID for a mode that would encrypt without verifying. */
export function databaseAddress (url: string): DatabaseAddress {
  // `postgres://user@/db?host=…` has no host that a URL could have
  const parsed = new URL(URL.canParse(url) ? url : url.replace('@/', '@localhost/'))
  const get = (name: string): string | undefined => parsed.searchParams.getAll(name).at(-1) ?? undefined
  const host = (get('host') ?? decodeURIComponent(parsed.hostname).replace(/^\[(.+)\]$/, '$1')) || 'localhost'
  const local = isLocalAddress(host)
  const tls = modeOf(get('sslmode'), get('ssl'), local)
  const [caFile, certFile, keyFile] = [get('sslrootcert'), get('sslcert'), get('sslkey')]
  const files = {
    ...(caFile !== undefined && caFile !== 'system' && { caFile }),
    ...(certFile !== undefined && { certFile }),
    ...(keyFile !== undefined && { keyFile })
  }
  for (const name of tlsParameters) parsed.searchParams.delete(name)
  // what was judged is what is connected to, whatever PGHOST says
  parsed.searchParams.delete('host')
  parsed.searchParams.append('host', host)
  return { connectionString: parsed.href, host, local, tls, files }
}

function modeOf (mode: string | undefined, ssl: string | undefined, local: boolean): DatabaseAddress['tls'] {
  if (mode === 'disable') return 'off'
  if (mode !== undefined && !encrypting.includes(mode)) throw new PulsegateError('CONFIG_INVALID', `sslmode=${mode} of the database's URL is not taken: use verify-full, or disable`)
  if (ssl !== undefined && ssl !== 'true' && ssl !== '1') throw new PulsegateError('CONFIG_INVALID', 'ssl=… of the database\'s URL is not taken: use sslmode=verify-full, or sslmode=disable')
  return mode !== undefined || ssl !== undefined || !local ? 'verified' : 'off'
}

/** What pg takes as `ssl`. Errors: TLS_FILE_UNREADABLE, SECRET_FILE_EXPOSED. */
export function databaseTls ({ tls, files }: DatabaseAddress): false | { readonly rejectUnauthorized: true, readonly minVersion: 'TLSv1.2', readonly ca?: string, readonly cert?: string, readonly key?: string } {
  return tls === 'off' ? false : { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...readTlsFiles(files) }
}

/** `url` with files named in it, where it names none itself. */
export function withDatabaseTls (url: string, { caFile, certFile, keyFile }: { readonly [N in keyof TlsFileNames]: string | undefined }): string {
  if (caFile === undefined && certFile === undefined && keyFile === undefined) return url
  const parsed = new URL(URL.canParse(url) ? url : url.replace('@/', '@localhost/'))
  for (const [name, value] of [['sslrootcert', caFile], ['sslcert', certFile], ['sslkey', keyFile]] as const) {
    if (value !== undefined && !parsed.searchParams.has(name)) parsed.searchParams.set(name, value)
  }
  return parsed.href
}

/** A refused handshake as our own error; other errors as they are. */
export function explainTls (error: unknown): unknown {
  const fault = tlsFaultOf(error)
  return fault === null ? error : new PulsegateError('DATABASE_TLS_REFUSED', `the database was not accepted: ${fault}`, { cause: error })
}

/** For warnings: the connection goes to another machine and is not encrypted. */
export function isPlainAndRemote (url: string): boolean {
  const { local, tls } = databaseAddress(url)
  return !local && tls === 'off'
}
