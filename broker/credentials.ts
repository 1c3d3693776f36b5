// Loads and checks the broker's key, certificate, CA bundle and CRLs. Takes paths, gives what TLS needs and the trust
// that identity.ts asks; a fault is one PulsegateError that names the path and what to do, at start instead of at the
// first device: Node takes an expired server certificate or a missing CRL without a word and then refuses everybody.
import { readFile, stat } from 'node:fs/promises'
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { PulsegateError } from '../runtime/errors.ts'
import { parseCrl, subjectOf, type Crl } from './crl.ts'
import { type Trust } from './identity.ts'

export interface TlsFiles {
  /** PEM of the server's private key; must not be readable by others. */
  readonly keyFile: string
  /** PEM of the server's certificate, its chain included. */
  readonly certFile: string
  /** PEM bundle of the issuing CA(s) and the root. Devices must be issued by one of the issuing CAs in it. */
  readonly caFile: string
  /** One PEM CRL a file, one for every CA in `caFile`. */
  readonly crlFiles: readonly string[]
}

export interface Credentials {
  readonly key: string
  readonly cert: string
  readonly ca: string[]
  /** One CRL each: Node reads only the first of a PEM file. */
  readonly crl: string[]
  /** Its serials are those on any CRL; what else is revoked, revocations.ts knows. */
  readonly trust: Trust & { readonly revoked: ReadonlySet<string> }
  /** When the first of certificate and CRLs ends, ms since 1970, and which file that is. */
  readonly endsAtMs: number
  readonly endsFirst: string
}

interface Dated { readonly file: string, readonly endsAtMs: number }

/** Reads and checks all files. Rejects with TLS_FILE_MISSING, TLS_FILE_EXPOSED, TLS_FILE_INVALID or TLS_FILE_EXPIRED. */
export async function loadCredentials (files: TlsFiles, nowMs = Date.now()): Promise<Credentials> {
  const key = await readText(files.keyFile, 'server key')
  await refuseExposed(files.keyFile)
  const cert = await readText(files.certFile, 'server certificate')
  const leaf = certificatesIn(cert, files.certFile)[0] as X509Certificate
  checkTimes(files.certFile, leaf, nowMs)
  checkPair(files, leaf, parsed(files.keyFile, 'a private key', () => createPrivateKey(key)))
  const cas = certificatesIn(await readText(files.caFile, 'CA bundle'), files.caFile)
  for (const ca of cas) checkTimes(files.caFile, ca, nowMs)
  const lists: Array<{ pem: string, crl: Crl, file: string }> = []
  for (const file of files.crlFiles) lists.push(...crlsIn(await readText(file, 'CRL'), file))
  for (const { crl, file } of lists) checkCrl(file, crl, nowMs)
  checkCovered(files, cas, lists.map(({ crl }) => crl))
  const ends: Dated[] = [{ file: files.certFile, endsAtMs: Date.parse(leaf.validTo) }, ...lists.map(({ crl, file }) => ({ file, endsAtMs: crl.nextUpdateMs ?? Infinity }))]
  const first = ends.reduce((a, b) => a.endsAtMs <= b.endsAtMs ? a : b)
  return {
    key,
    cert,
    ca: cas.map((ca) => ca.toString()),
    crl: lists.map(({ pem }) => pem),
    trust: { issuers: issuersOf(cas), revoked: new Set(lists.flatMap(({ crl }) => crl.serials)) },
    endsAtMs: first.endsAtMs,
    endsFirst: first.file
  }
}

/** Devices come from the intermediates of the bundle; where it holds roots only, from those. */
function issuersOf (cas: readonly X509Certificate[]): X509Certificate[] {
  const intermediates = cas.filter((ca) => !ca.checkIssued(ca))
  return intermediates.length > 0 ? intermediates : [...cas]
}

async function readText (file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new PulsegateError('TLS_FILE_MISSING', `${what} ${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`, { cause: error })
  }
}

async function refuseExposed (file: string): Promise<void> {
  if (process.platform === 'win32') return // no mode bits there
  const { mode } = await stat(file)
  // group may read (secrets are mounted so); others may do nothing, group may not write
  if ((mode & 0o027) !== 0) {
    throw new PulsegateError('TLS_FILE_EXPOSED', `server key ${file} has mode ${(mode & 0o777).toString(8).padStart(4, '0')}; do: chmod 600 ${file}`)
  }
}

function parsed<T> (file: string, what: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new PulsegateError('TLS_FILE_INVALID', `${file} does not hold ${what} in PEM`, { cause: error })
  }
}

function pemBlocks (text: string, label: string): string[] {
  return text.match(new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`, 'g')) ?? []
}

function certificatesIn (text: string, file: string): X509Certificate[] {
  return parsed(file, 'a certificate', () => {
    const blocks = pemBlocks(text, 'CERTIFICATE')
    if (blocks.length === 0) throw new Error('no CERTIFICATE block')
    return blocks.map((block) => new X509Certificate(block))
  })
}

function crlsIn (text: string, file: string): Array<{ pem: string, crl: Crl, file: string }> {
  return parsed(file, 'a CRL (X509 CRL)', () => {
    const blocks = pemBlocks(text, 'X509 CRL')
    if (blocks.length === 0) throw new Error('no X509 CRL block')
    return blocks.map((pem) => ({ pem, file, crl: parseCrl(Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64')) }))
  })
}

function checkTimes (file: string, certificate: X509Certificate, nowMs: number): void {
  if (nowMs >= Date.parse(certificate.validTo)) expired(file, `the certificate ended ${certificate.validTo}`)
  if (nowMs < Date.parse(certificate.validFrom)) expired(file, `the certificate begins ${certificate.validFrom}; is this machine's clock right?`)
}

function checkCrl (file: string, crl: Crl, nowMs: number): void {
  if (crl.nextUpdateMs !== null && nowMs >= crl.nextUpdateMs) expired(file, `the CRL ended ${new Date(crl.nextUpdateMs).toISOString()}; do: pulsegate certs crl`)
}

function expired (file: string, how: string): never {
  throw new PulsegateError('TLS_FILE_EXPIRED', `${file}: ${how}`)
}

function checkPair (files: TlsFiles, leaf: X509Certificate, key: KeyObject): void {
  if (leaf.checkPrivateKey(key)) return
  throw new PulsegateError('TLS_FILE_INVALID', `the key ${files.keyFile} does not belong to the certificate ${files.certFile}`)
}

/** OpenSSL demands a CRL of every CA in a chain; one that is missing locks every device out. */
function checkCovered (files: TlsFiles, cas: readonly X509Certificate[], crls: readonly Crl[]): void {
  const covered = new Set(crls.map(({ issuer }) => issuer))
  for (const ca of cas) {
    if (covered.has(subjectOf(ca.raw))) continue
    throw new PulsegateError('TLS_FILE_MISSING', `no CRL for CA "${ca.subject.replaceAll('\n', ', ')}" of ${files.caFile} among ${files.crlFiles.join(', ') || 'no files'}; do: pulsegate certs crl`)
  }
}
