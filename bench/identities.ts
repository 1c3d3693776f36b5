// Certificates for the benchmarks: one authority, one server, thousands of devices, made by certs/ and kept in the cache
// for a few days (making 5,000 takes about 20 s). Every server measured gets the same files.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { initAuthority, openAuthority, type Authority } from '../certs/authority.ts'
import { cacheDirectory } from './places.ts'

export interface Identities {
  readonly caFile: string
  readonly keyFile: string
  readonly certFile: string
  readonly crlFiles: readonly string[]
  /** holds <id>.crt and <id>.key, in the order of deviceId() */
  readonly devicesDirectory: string
}

// well inside the life of revocation lists and certificates
const keepDays = 3
const msPerDay = 86_400_000

/** The id of the bench's device number `index`; ids sort as their numbers do. */
export function deviceId (index: number): string {
  return `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
}

async function openOrMake (directory: string): Promise<Authority> {
  if (existsSync(directory) && Date.now() - statSync(join(directory, 'ca.pem')).mtimeMs < keepDays * msPerDay) {
    return await openAuthority(directory)
  }
  const making = `${directory}.making`
  for (const old of [making, directory]) rmSync(old, { recursive: true, force: true })
  mkdirSync(cacheDirectory, { recursive: true })
  const authority = await initAuthority(making)
  await authority.issueServer(['localhost', '127.0.0.1'])
  renameSync(making, directory) // whole or not at all
  return await openAuthority(directory)
}

/** Makes sure that there are at least `devices` device certificates. */
export async function identities (devices: number): Promise<Identities> {
  const authority = await openOrMake(join(cacheDirectory, 'certs'))
  const { ca, serverKey, serverCertificate, rootCrl, issuingCrl, devices: devicesDirectory } = authority.paths
  const there = new Set(existsSync(devicesDirectory) ? readdirSync(devicesDirectory) : [])
  const missing = Array.from({ length: devices }, (_, index) => deviceId(index)).filter((id) => !there.has(`${id}.crt`))
  if (missing.length > 0) {
    process.stderr.write(`bench: making ${missing.length} device certificates, once\n`)
    await authority.issueDevices(missing)
  }
  return { caFile: ca, keyFile: serverKey, certFile: serverCertificate, crlFiles: [rootCrl, issuingCrl], devicesDirectory }
}
