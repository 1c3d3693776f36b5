// TLS to PostgreSQL: decided by the address and the URL, verified against a real server, refused with a clear error.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { type Database, openDatabase } from '../../ingest/database.ts'
import { databaseAddress, databaseTls, isPlainAndRemote, withDatabaseTls } from '../../ingest/database-tls.ts'
import { migrate } from '../../ingest/migrate.ts'
import { watchRegistry } from '../../ingest/registry-watch.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { isLocalAddress } from '../../runtime/local-address.ts'
import { createPki } from '../fixtures/pki.ts'
import { ownServer } from '../services/server.ts'
import { needsServices } from '../services/skip.ts'
import { outwardAddress, tlsServer } from '../services/tls.ts'

test('only these addresses are local: localhost, 127/8, ::1, unix sockets', async (t) => {
  for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '127.8.9.10', '::1', '[::1]', '/var/run/postgresql']) t.ok(isLocalAddress(host), host)
  for (const host of ['db', '10.0.0.8', '0.0.0.0', '::', '::ffff:127.0.0.1', 'localhost.', 'localhost.example', '127.0.0.1.example', '127.1', '192.168.0.1', '']) t.notOk(isLocalAddress(host), host)
})

test('every address that is not local gets verified TLS, unless the URL says sslmode=disable', async (t) => {
  const of = (rest: string): string => databaseAddress(`postgres://u:p@${rest}`).tls
  for (const rest of ['db/x', '10.0.0.8:5432/x', 'db/x?sslmode=require', 'db/x?sslmode=prefer', 'db/x?sslmode=verify-ca', 'db/x?ssl=true', 'localhost/x?host=db', 'localhost/x?host=localhost&host=db',
    '127.0.0.1/x?sslmode=verify-full', 'local%68ost.example/x', 'db/x?uselibpqcompat=true&sslmode=require']) t.equal(of(rest), 'verified', rest)
  for (const rest of ['localhost/x', '127.0.0.1:1/x', '[::1]/x', '/x?host=/var/run/postgresql', 'local%68ost/x', 'db/x?sslmode=disable', 'db/x?host=/tmp']) t.equal(of(rest), 'off', rest)
  for (const rest of ['db/x?sslmode=no-verify', 'db/x?ssl=false', 'db/x?ssl=0', 'db/x?ssl=no-verify', 'db/x?sslmode=']) t.throws(() => of(rest), { code: 'CONFIG_INVALID' }, rest)
  t.equal(databaseAddress('postgres:///x').host, 'localhost', 'whatever PGHOST says')
  t.match(databaseTls(databaseAddress('postgres://db/x?uselibpqcompat=true&sslmode=require')), { rejectUnauthorized: true }, 'never weaker')
  t.notMatch(databaseAddress('postgres://db/x?ssl=true&sslmode=require').connectionString, /ssl/, 'pg gets nothing of it to interpret')
  t.ok(isPlainAndRemote('postgres://db/x?sslmode=disable'))
  t.notOk(isPlainAndRemote('postgres://localhost/x'))
  t.throws(() => databaseTls(databaseAddress(withDatabaseTls('postgres://db/x', { caFile: '/none.pem', certFile: undefined, keyFile: undefined }))), { code: 'TLS_FILE_UNREADABLE', message: /none\.pem/ })
})

test('a real server: the right CA and name are taken, anything else is refused before a password is sent', { ...needsServices, timeout: 180_000 }, async (t) => {
  const pki = await createPki(t)
  const stranger = await createPki(t)
  const server = await tlsServer(t, pki)
  const ask = async (change: (url: URL) => void): Promise<string> => {
    const url = new URL(server.url)
    change(url)
    const database: Database = openDatabase(url.href, { poolSize: 1 })
    try {
      const { rows } = await database.query<{ how: string }>("SELECT coalesce(version, 'plain') || coalesce(' ' || client_dn, '') AS how FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
      return rows[0]?.how ?? ''
    } catch (error) {
      return `${(error as PulsegateError).code} ${(error as Error).message}`
    } finally {
      await database.close()
    }
  }
  t.equal(await ask(() => {}), 'plain', 'local, and nothing asked for')
  const full = (url: URL): void => { url.searchParams.set('sslmode', 'verify-full') }
  const trusting = (url: URL): void => { url.searchParams.set('sslrootcert', pki.files.caFile) }
  t.match(await ask((url) => { full(url); trusting(url) }), /^TLSv1\.3$/)
  t.match(await ask((url) => { url.hostname = 'localhost'; full(url); trusting(url) }), /^TLSv1\.3$/, 'by name')
  t.match(await ask(full), /^DATABASE_TLS_REFUSED .*CA that is not trusted here/)
  t.match(await ask((url) => { full(url); url.searchParams.set('sslrootcert', stranger.files.caFile) }), /^DATABASE_TLS_REFUSED .*CA that is not trusted here/)
  const { id, key, cert } = await pki.device()
  const [keyFile, certFile] = [join(pki.dir, 'c.key'), join(pki.dir, 'c.crt')]
  writeFileSync(keyFile, key, { mode: 0o600 })
  writeFileSync(certFile, cert)
  t.match(await ask((url) => { full(url); trusting(url); url.searchParams.set('sslcert', certFile); url.searchParams.set('sslkey', keyFile) }), new RegExp(`^TLSv1.3 .*${id.slice(0, 8)}`), 'a client certificate is shown')
  writeFileSync(keyFile, key)
  const { chmodSync } = await import('node:fs')
  chmodSync(keyFile, 0o644)
  t.throws(() => openDatabase(`postgres://db/x?sslcert=${certFile}&sslkey=${keyFile}`), { code: 'SECRET_FILE_EXPOSED' })

  const outside = outwardAddress()
  if (outside === null) return
  // its certificate is for localhost and 127.0.0.1
  t.match(await ask((url) => { url.hostname = outside; trusting(url) }), /^DATABASE_TLS_REFUSED .*another host name/, 'verified without having been asked for')
  t.match(await ask((url) => { url.hostname = outside }), /^DATABASE_TLS_REFUSED/)
  t.match(await ask((url) => { url.hostname = outside; url.searchParams.set('sslmode', 'disable') }), /^28000 .*no encryption/, 'only sslmode=disable goes without, here as far as pg_hba.conf')
  const wrongName = new URL(server.url)
  wrongName.hostname = outside
  trusting(wrongName)
  await t.rejects(migrate(wrongName.href), { code: 'DATABASE_TLS_REFUSED' }, 'migrate connects the same way')
  const watch = watchRegistry({ url: wrongName.href, observability: quietObservability(), changed () {}, knownIds: () => [] })
  t.teardown(() => watch.close())
  while (watch.fault === 'registry watch: not connected yet') await new Promise((resolve) => setTimeout(resolve, 10))
  t.match(watch.fault, /DATABASE_TLS_REFUSED/, 'and so does the watch of the registry')
})

test('a server that does not speak TLS is refused', needsServices, async (t) => {
  const { url } = await ownServer(t)
  const database = openDatabase(`${url}?sslmode=verify-full`)
  t.teardown(() => database.close())
  await t.rejects(database.query('SELECT 1'), { code: 'DATABASE_TLS_REFUSED', message: /does not speak TLS/ })
  t.equal(new PulsegateError('DATABASE_TLS_REFUSED', '').entry.exit, 78)
})
