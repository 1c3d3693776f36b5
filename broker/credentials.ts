// Loads and checks the broker's key, certificate, CA bundle and CRLs. Takes paths, gives what TLS needs and the trust
// that identity.ts asks; a fault is one PulsegateError that names the path and what to do, at start instead of at the
// first device: Node takes an expired server certificate or a missing CRL without a word and then refuses everybody.
import { stat } from 'node:fs/promises'
import { type X509Certificate } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { issuingCas } from '../runtime/ca-bundle.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { subjectOf, type Crl } from '../runtime/crl.ts'
import { type Trust } from './identity.ts'
import { certificatesIn, listsIn, privateKeyIn, readText, type ListFile } from './tls-files.ts'

export interface TlsFiles {
  /** PEM of the server's private key; must not be readable by others. */
  readonly keyFile: string
  /** Holds the passphrase when the key is encrypted. */
  readonly passphraseFile?: string | undefined
  /** PEM of the server's certificate, its chain included. */
  readonly certFile: string
  /** PEM bundle of the issuing CA(s) and the root(s). Devices must be issued by one of the issuing CAs in it. */
  readonly caFile: string
  /** PEM CRLs, together one for every CA in `caFile`. */
  readonly crlFiles: readonly string[]
}

/** One of the things that end, and take the broker out of service then. */
export interface CredentialEnd {
  readonly what: 'server-certificate' | 'ca-certificate' | 'revocation-list'
  /** Common name of its subject; of a list, of its issuer. */
  readonly name: string
  readonly file: string
  readonly fromMs: number
  readonly untilMs: number
}

export interface Credentials {
  /** PEM, decrypted. */
  readonly key: string
  readonly cert: string
  readonly ca: string[]
  /** One CRL each: Node reads only the first of a PEM file. */
  readonly crl: string[]
  /** Its serials are those on any CRL; what else is revoked, revocations.ts knows. */
  readonly trust: Trust & { readonly revoked: ReadonlySet<string>, readonly issuerIds: ReadonlySet<string> }
  /** All that ends. */
  readonly ends: readonly CredentialEnd[]
  /** When the first of them does, ms since 1970, and which file that is. */
  readonly endsAtMs: number
  readonly endsFirst: string
}

/**
 * Reads and checks all files. Rejects with TLS_FILE_MISSING, TLS_FILE_EXPOSED, TLS_FILE_INVALID, TLS_FILE_EXPIRED or
 * CERTS_PASSPHRASE_UNUSABLE. Long lists are read in slices: others have their turn in between.
 */
export async function loadCredentials (files: TlsFiles, nowMs = Date.now()): Promise<Credentials> {
  const key = await readText(files.keyFile, 'server key')
  await refuseExposed(files.keyFile)
  const cert = await readText(files.certFile, 'server certificate')
  const leaf = certificatesIn(cert, files.certFile)[0] as X509Certificate
  checkTimes(files.certFile, leaf, nowMs, 'pulsegate certs server <names>')
  const privateKey = await privateKeyIn(key, files)
  if (!leaf.checkPrivateKey(privateKey.key)) throw new PulsegateError('TLS_FILE_INVALID', `the key ${files.keyFile} does not belong to the certificate ${files.certFile}`)
  const cas = usable(certificatesIn(await readText(files.caFile, 'CA bundle'), files.caFile), files.caFile, nowMs)
  const lists: ListFile[] = []
  for (const file of files.crlFiles) lists.push(...listsIn(await readText(file, 'CRL'), file))
  for (const { crl, file } of lists) checkCrl(file, crl, nowMs)
  checkCovered(files, cas, lists)
  const issuers = issuingCas(cas)
  const ends = endsOf(files, leaf, cas, lists)
  const first = ends.reduce((a, b) => a.untilMs <= b.untilMs ? a : b)
  return {
    key: privateKey.pem,
    cert,
    ca: cas.map((ca) => ca.toString()),
    crl: lists.map(({ pem }) => pem),
    trust: { issuers, issuerIds: new Set(issuers.map((issuer) => issuer.fingerprint256)), revoked: await serialsOn(lists) },
    ends,
    endsAtMs: first.untilMs,
    endsFirst: first.file
  }
}

/**
 * Without those that have ended, when a whole chain is left without them: an old CA that nobody has retired yet takes nothing down.
 * One that has not begun says that the clock is wrong.
 */
function usable (cas: readonly X509Certificate[], file: string, nowMs: number): X509Certificate[] {
  const living = cas.filter((ca) => nowMs < Date.parse(ca.validTo))
  const whole = issuingCas(living).some((issuer) => living.some((ca) => issuer.checkIssued(ca) && ca.checkIssued(ca)))
  const wanted = whole ? living : [...cas]
  for (const ca of wanted) checkTimes(file, ca, nowMs, 'pulsegate certs ca status')
  return wanted
}

/** About a millisecond. */
const serialsATurn = 2_000

async function serialsOn (lists: readonly ListFile[]): Promise<Set<string>> {
  const serials = new Set<string>()
  let read = 0
  for (const { crl, file } of lists) {
    try {
      for (const serial of crl.serials()) {
        serials.add(serial)
        if (++read % serialsATurn === 0) await setImmediate()
      }
    } catch (cause) {
      throw new PulsegateError('TLS_FILE_INVALID', `${file} holds a CRL with a damaged entry`, { cause })
    }
  }
  return serials
}

async function refuseExposed (file: string): Promise<void> {
  if (process.platform === 'win32') return // no mode bits there
  const { mode } = await stat(file)
  // group may read (secrets are mounted so); others may do nothing, group may not write
  if ((mode & 0o027) !== 0) {
    throw new PulsegateError('TLS_FILE_EXPOSED', `server key ${file} has mode ${(mode & 0o777).toString(8).padStart(4, '0')}; do: chmod 600 ${file}`)
  }
}

function checkTimes (file: string, certificate: X509Certificate, nowMs: number, remedy: string): void {
  if (nowMs >= Date.parse(certificate.validTo)) expired(file, `the certificate "${nameOf(certificate.subject)}" ended ${certificate.validTo}; do: ${remedy}`)
  if (nowMs < Date.parse(certificate.validFrom)) expired(file, `the certificate "${nameOf(certificate.subject)}" begins ${certificate.validFrom}; is this machine's clock right?`)
}

function checkCrl (file: string, crl: Crl, nowMs: number): void {
  if (crl.nextUpdateMs !== null && nowMs >= crl.nextUpdateMs) expired(file, `the CRL ended ${new Date(crl.nextUpdateMs).toISOString()}; do: pulsegate certs crl`)
}

function expired (file: string, how: string): never {
  throw new PulsegateError('TLS_FILE_EXPIRED', `${file}: ${how}`)
}

/** OpenSSL demands a CRL of every CA in a chain; one that is missing locks every device out. Two CAs may have one name: the key tells. */
function checkCovered (files: TlsFiles, cas: readonly X509Certificate[], lists: readonly ListFile[]): void {
  for (const ca of cas) {
    const name = subjectOf(ca.raw)
    if (lists.some(({ crl }) => crl.issuer === name && crl.signedBy(ca.publicKey) !== false)) continue
    throw new PulsegateError('TLS_FILE_MISSING', `no CRL for CA "${ca.subject.replaceAll('\n', ', ')}" of ${files.caFile} among ${files.crlFiles.join(', ') || 'no files'}; do: pulsegate certs crl`)
  }
}

function endsOf (files: TlsFiles, leaf: X509Certificate, cas: readonly X509Certificate[], lists: readonly ListFile[]): CredentialEnd[] {
  const ofCertificate = (what: CredentialEnd['what'], file: string, certificate: X509Certificate): CredentialEnd =>
    ({ what, name: nameOf(certificate.subject), file, fromMs: Date.parse(certificate.validFrom), untilMs: Date.parse(certificate.validTo) })
  const nameOfIssuer = new Map(cas.map((ca) => [subjectOf(ca.raw), nameOf(ca.subject)]))
  return [
    ofCertificate('server-certificate', files.certFile, leaf),
    ...cas.map((ca) => ofCertificate('ca-certificate', files.caFile, ca)),
    ...lists.map(({ crl, file }): CredentialEnd => ({
      what: 'revocation-list', name: nameOfIssuer.get(crl.issuer) ?? 'unknown', file, fromMs: crl.thisUpdateMs, untilMs: crl.nextUpdateMs ?? Infinity
    }))
  ]
}

function nameOf (subject: string): string {
  return /^CN=(.*)$/m.exec(subject)?.[1] ?? subject.replaceAll('\n', ', ')
}
