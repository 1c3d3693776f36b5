// Servers of a test's own that speak TLS with a certificate of the test's PKI: PostgreSQL with ssl=on, Redis with a TLS port.
import { chown, chmod, copyFile, stat } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { choosePort } from '../../proof/parts/port.ts'
import { type Pki } from '../fixtures/pki.ts'
import { ownRedis, type OwnRedis } from './redis.ts'
import { ownServer, type OwnServer } from './server.ts'

interface Teardown { teardown (fn: () => Promise<void> | void): void }

/** PostgreSQL with ssl=on, reachable by every address of this machine; it asks for client certificates of the same CA and demands none. */
export async function tlsServer (t: Teardown, pki: Pki): Promise<OwnServer> {
  const server = await ownServer(t, 'listen_addresses=*')
  const data = join(server.directory, 'data')
  const { uid, gid } = await stat(data)
  for (const [from, name, mode] of [[pki.files.keyFile, 'tls.key', 0o600], [pki.files.certFile, 'tls.crt', 0o644], [pki.files.caFile, 'tls-ca.crt', 0o644]] as const) {
    await copyFile(from, join(data, name))
    await chmod(join(data, name), mode)
    await chown(join(data, name), uid, gid)
  }
  const client = new pg.Client(server.url)
  await client.connect()
  for (const setting of ["ssl_cert_file = 'tls.crt'", "ssl_key_file = 'tls.key'", "ssl_ca_file = 'tls-ca.crt'", 'ssl = on']) await client.query(`ALTER SYSTEM SET ${setting}`)
  await client.query('SELECT pg_reload_conf()')
  // the setting is read by the postmaster first
  for (let on = false; !on;) on = (await client.query<{ ssl: string }>('SHOW ssl')).rows[0]?.ssl === 'on'
  await client.end()
  return server
}

export interface TlsRedis { readonly plain: OwnRedis, readonly url: string }

/** `url` is rediss:// on localhost. */
export async function tlsRedis (t: Teardown, pki: Pki, settings: Readonly<Record<string, string>> = {}): Promise<TlsRedis> {
  const port = choosePort()
  const { keyFile, certFile, caFile } = pki.files
  const plain = await ownRedis(t, { 'tls-port': String(port), 'tls-key-file': keyFile, 'tls-cert-file': certFile, 'tls-ca-cert-file': caFile, 'tls-auth-clients': 'optional', ...settings })
  const url = new URL(plain.url.replace('redis:', 'rediss:'))
  url.hostname = 'localhost'
  url.port = String(port)
  return { plain, url: url.href }
}

/** An address of this machine that is not loopback; null where there is none. */
export function outwardAddress (): string | null {
  return Object.values(networkInterfaces()).flat().find((found) => found?.family === 'IPv4' && !found.internal)?.address ?? null
}
