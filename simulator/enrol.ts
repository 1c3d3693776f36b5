// How simulated devices get their identity, as real ones do: the key is made on the device's side and never leaves it, the
// authority signs a request. Keys and certificates are kept for the next start, and made anew when they are about to end or
// the authority is another.
import { X509Certificate } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing, writeKey, writePublic } from '../certs/files.ts'
import { createDeviceKeyAndRequest } from '../certs/request.ts'
import { type Credentials } from './simulator.ts'

/** What enrolment asks of a certificate authority (certs/authority.ts has one). */
export interface SigningAuthority {
  signRequest (requestPem: string, options: { readonly id: string }): Promise<{ readonly chainPem: string }>
  readonly paths: { readonly issuingCertificate: string }
}

export interface EnrolmentOptions {
  /** Keys and certificates are kept in `<directory>/devices/<id>/` (0700, keys 0600). */
  readonly directory: string
  readonly authority: SigningAuthority
}

// A certificate that ends within this is replaced at the start; the simulator does not renew while it runs.
const renewBeforeMs = 24 * 3_600_000

/** What `startSimulator` takes as `credentials`. Throws CERTS_* errors and what fs throws. */
export async function createEnrolment ({ directory, authority }: EnrolmentOptions): Promise<(id: string) => Promise<Credentials>> {
  const issuing = new X509Certificate(await readFile(authority.paths.issuingCertificate))
  return async (id) => {
    const folder = join(directory, 'devices', id)
    const known = await readKept(folder)
    if (known && stillGood(known.certPem, issuing)) return known
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const { keyPem, requestPem } = await createDeviceKeyAndRequest(id)
    const { chainPem } = await authority.signRequest(requestPem, { id })
    await writeKey(join(folder, 'device.key'), keyPem, { overwrite: true })
    await writePublic(join(folder, 'device.crt'), chainPem)
    return { keyPem, certPem: chainPem }
  }
}

async function readKept (folder: string): Promise<Credentials | null> {
  try {
    const [keyPem, certPem] = await Promise.all(['device.key', 'device.crt'].map(async (name) => readFile(join(folder, name), 'utf8')))
    return keyPem === undefined || certPem === undefined ? null : { keyPem, certPem }
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

function stillGood (certPem: string, issuing: X509Certificate): boolean {
  const certificate = new X509Certificate(certPem)
  return Date.parse(certificate.validTo) - Date.now() > renewBeforeMs && certificate.verify(issuing.publicKey)
}
