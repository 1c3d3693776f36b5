// How simulated devices get their identity, as real ones do: the key is made on the device's side and never leaves it, the
// authority signs a request. Keys and certificates are kept for the next start, and made anew when they are about to end or
// the authority is another. With the authority at hand (`up`, tests) it is asked directly; else over HTTPS (enrol-est.ts).
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createDeviceKeyAndRequest } from '../certs/request.ts'
import { enrolByEst, type EstAddress, type FirstCredential } from './enrol-est.ts'
import { CredentialStore } from './enrol-store.ts'
import { type Credentials } from './simulator.ts'

/** What enrolment asks of a certificate authority (certs/authority.ts has one). */
export interface SigningAuthority {
  signRequest (requestPem: string, options: { readonly id: string, readonly days?: number }): Promise<{ readonly chainPem: string }>
  readonly paths: { readonly issuingCertificate: string }
}

export interface EnrolmentOptions {
  /** Keys and certificates are kept in `<directory>/devices/<id>/` (0700, keys 0600). */
  readonly directory: string
  readonly authority: SigningAuthority
  /** Life of what is signed; default: the authority's. */
  readonly days?: number
  /** The devices renew while they run: then a certificate is kept until little of its life is left. */
  readonly renews?: boolean
}

// A device that does not renew while it runs replaces at the start what ends within this.
const renewBeforeMs = 24 * 3_600_000
/** Of its life; what a device that renews needs to get through a slow start. */
const leastShare = 0.1

/** What `startSimulator` takes as `credentials`. Throws CERTS_* errors and what fs throws. */
export async function createEnrolment ({ directory, authority, days, renews = false }: EnrolmentOptions): Promise<(id: string) => Promise<Credentials>> {
  const issuing = new X509Certificate(await readFile(authority.paths.issuingCertificate))
  const store = new CredentialStore(directory)
  return async (id) => {
    const known = await store.read(id)
    if (known && isLiving(known.certPem, renews) && new X509Certificate(known.certPem).verify(issuing.publicKey)) return known
    const { keyPem, requestPem } = await createDeviceKeyAndRequest(id)
    const { chainPem } = await authority.signRequest(requestPem, { id, ...(days !== undefined && { days }) })
    const made = { keyPem, certPem: chainPem }
    await store.write(id, made)
    return made
  }
}

export interface EstEnrolmentOptions {
  readonly directory: string
  readonly server: EstAddress
  /** What entitles a device to its first certificate; asked only when it has none that lives. Throws when there is nothing. */
  readonly first: (id: string) => Promise<FirstCredential>
  readonly signal: AbortSignal
}

/** The same from an EST server. Rejects with ENROLMENT_REFUSED, ENROLMENT_UNAVAILABLE and what `first` throws. */
export function createEstEnrolment ({ directory, server, first, signal }: EstEnrolmentOptions): (id: string) => Promise<Credentials> {
  const store = new CredentialStore(directory)
  return async (id) => {
    const known = await store.read(id)
    if (known && isLiving(known.certPem, true)) return known
    const made = await enrolByEst(server, id, await first(id), signal)
    await store.write(id, made)
    return made
  }
}

function isLiving (certPem: string, renews: boolean): boolean {
  const { validFrom, validTo } = new X509Certificate(certPem)
  const endsAtMs = Date.parse(validTo)
  return endsAtMs - Date.now() > (renews ? leastShare * (endsAtMs - Date.parse(validFrom)) : renewBeforeMs)
}
