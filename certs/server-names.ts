// For which names the broker's certificate is to be issued anew: takes the paths and the CAs that shall issue it no more, reads
// server/server.crt.
import { isIP } from 'node:net'
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isMissing, type AuthorityPaths } from './files.ts'
import { type CaCertificate } from './state.ts'

/** Null when there is no server certificate, or it is of none of these CAs: of the one that issues, or of somebody else's. */
export async function namesOfServer (paths: AuthorityPaths, no: readonly CaCertificate[]): Promise<string[] | null> {
  try {
    const certificate = new X509Certificate(await readFile(paths.serverCertificate))
    return no.some((ca) => certificate.verify(ca.certificate.publicKey)) ? namesIn(certificate.subjectAltName ?? '') : null
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** DNS names and IP addresses of a subjectAltName as Node prints it; our own, so no name needs quoting. */
function namesIn (names: string): string[] {
  return names.split(', ').flatMap((name) => {
    const [, value = ''] = /^(?:DNS|IP Address):(.+)$/.exec(name) ?? []
    return value === '' ? [] : [isIP(value) === 0 ? value : value.toLowerCase()]
  })
}
