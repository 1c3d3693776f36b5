// Whether a connection to Redis is encrypted, and whom it trusts. Pure but for reading certificate files. Takes the URL, gives what ioredis
// takes. Promise: rediss:// verifies certificate and host name; redis:// is for this machine only, unless the URL says tls=off.
import { type RedisOptions } from 'ioredis'
import { PulsegateError } from '../../runtime/errors.ts'
import { isLocalAddress } from '../../runtime/local-address.ts'
import { readTlsFiles, type TlsFileNames } from '../../runtime/tls-files.ts'
import { TlsConnector } from './tls-connector.ts'

export interface RedisAddress {
  /** The URL without our own parameters. */
  readonly url: string
  readonly tls: 'verified' | 'off'
  readonly local: boolean
  readonly files: TlsFileNames
}

/** Errors: REDIS_PLAIN_REFUSED, CONFIG_INVALID. */
export function redisAddress (url: string): RedisAddress {
  const parsed = new URL(url)
  const get = (name: string): string | undefined => parsed.searchParams.getAll(name).at(-1)
  // ioredis lets these parameters replace what stands before the `?`: then something else would be connected to than was judged
  for (const name of ['host', 'port', 'path', 'tls', 'family']) {
    if (parsed.searchParams.has(name) && !(name === 'tls' && get('tls') === 'off')) throw new PulsegateError('CONFIG_INVALID', `${name}= of the URL of Redis is not taken${name === 'tls' ? ', but for tls=off; rediss:// is encrypted' : ''}`)
  }
  const host = decodeURIComponent(parsed.hostname)
  const local = host === '' || isLocalAddress(host)
  const encrypted = parsed.protocol === 'rediss:'
  if (!encrypted && !local && get('tls') !== 'off') throw new PulsegateError('REDIS_PLAIN_REFUSED', `redis:// to ${host} is not encrypted`)
  if (encrypted && get('tls') === 'off') throw new PulsegateError('CONFIG_INVALID', 'the URL of Redis says both rediss:// and tls=off')
  const [caFile, certFile, keyFile] = [get('ca'), get('cert'), get('key')]
  for (const name of ['tls', 'ca', 'cert', 'key']) parsed.searchParams.delete(name)
  return {
    url: parsed.href,
    tls: encrypted ? 'verified' : 'off',
    local,
    files: { ...(caFile !== undefined && { caFile }), ...(certFile !== undefined && { certFile }), ...(keyFile !== undefined && { keyFile }) }
  }
}

/** URL and TLS options of a connection. Errors: of redisAddress; TLS_FILE_UNREADABLE, SECRET_FILE_EXPOSED. */
export function redisStartup (url: string): { url: string, options: Pick<RedisOptions, 'tls' | 'Connector'> } {
  const address = redisAddress(url)
  if (address.tls === 'off') return { url: address.url, options: {} }
  return { url: address.url, options: { Connector: TlsConnector, tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...readTlsFiles(address.files) } } }
}

/** `url` with files and permission in it, where it says nothing itself. */
export function withRedisTls (url: string, { caFile, certFile, keyFile, allowPlain }: { readonly [N in keyof TlsFileNames]: string | undefined } & { readonly allowPlain: boolean }): string {
  const parsed = new URL(url)
  for (const [name, value] of [['ca', caFile], ['cert', certFile], ['key', keyFile]] as const) {
    if (value !== undefined && !parsed.searchParams.has(name)) parsed.searchParams.set(name, value)
  }
  if (allowPlain && parsed.protocol === 'redis:') parsed.searchParams.set('tls', 'off')
  return parsed.href === new URL(url).href ? url : parsed.href
}

/** For warnings: the connection goes to another machine and is not encrypted. */
export function isPlainAndRemoteRedis (url: string): boolean {
  const { local, tls } = redisAddress(url)
  return !local && tls === 'off'
}
