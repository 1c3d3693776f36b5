// What the EST server needs of an authority's folder: its own key and certificate, the CAs, the lists, the makers. Takes the paths, gives
// a TLS context and the trust that `peerOf` asks. Read again when a file changes.
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type SecureContextOptions } from 'node:tls'
import { issuingCas } from '../../runtime/ca-bundle.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { pemBlocks } from '../../runtime/pem.ts'
import { tlsProfile } from '../../runtime/tls-profile.ts'
import { isMissing, readKey, readRequired, type AuthorityPaths } from '../files.ts'
import { readMakers } from './makers.ts'
import { type PeerTrust } from './peer.ts'

export interface Material {
  readonly context: SecureContextOptions
  readonly trust: PeerTrust
  /** DER of what devices are to trust, as in ca.pem. */
  readonly bundle: readonly Buffer[]
  /** When the server's own certificate ends, ms since 1970. */
  readonly endsAtMs: number
}

/** Rejects with TLS_FILE_MISSING, TLS_FILE_EXPIRED, TLS_FILE_INVALID or CERTS_* naming the file. */
export async function readMaterial (paths: AuthorityPaths, passphrase?: string, nowMs = Date.now()): Promise<Material> {
  const key = await readKey(paths.serverKey, passphrase).catch((error: unknown) => {
    if (isMissing(error)) throw new PulsegateError('TLS_FILE_MISSING', `server key ${paths.serverKey} is not there; do: pulsegate certs server <names>`, { cause: error })
    throw error
  })
  const cert = await readRequired(paths.serverCertificate)
  const leaf = certificatesIn(paths.serverCertificate, cert)[0] as X509Certificate
  if (!leaf.checkPrivateKey(key)) throw new PulsegateError('TLS_FILE_INVALID', `the key ${paths.serverKey} does not belong to the certificate ${paths.serverCertificate}`)
  const endsAtMs = Date.parse(leaf.validTo)
  if (nowMs >= endsAtMs) throw new PulsegateError('TLS_FILE_EXPIRED', `${paths.serverCertificate}: the certificate ended ${leaf.validTo}; do: pulsegate certs server <names>`)
  const cas = certificatesIn(paths.ca, await readRequired(paths.ca))
  const makers = await readMakers(paths.directory)
  return {
    context: {
      ...tlsProfile({ resumption: false }),
      key: key.export({ type: 'pkcs8', format: 'pem' }),
      cert,
      // makers too: some clients show a certificate only when the server names its CA. Without a list of theirs OpenSSL authorizes none.
      ca: [...cas, ...makers.map(({ certificate }) => certificate)].map((ca) => ca.toString()),
      crl: (await Promise.all([paths.issuingCrl, paths.rootCrl].map(listsIn))).flat()
    },
    trust: { issuers: issuingCas(cas), makers },
    bundle: cas.map(({ raw }) => raw),
    endsAtMs
  }
}

/** Node reads only the first list of a text. */
async function listsIn (path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new PulsegateError('TLS_FILE_MISSING', `CRL ${path} cannot be read; do: pulsegate certs crl`, { cause: error })
  })
  return pemBlocks(text, 'X509 CRL')
}

function certificatesIn (path: string, pem: string): X509Certificate[] {
  try {
    const blocks = pemBlocks(pem, 'CERTIFICATE')
    if (blocks.length === 0) throw new Error('no CERTIFICATE block')
    return blocks.map((block) => new X509Certificate(block))
  } catch (error) {
    throw new PulsegateError('TLS_FILE_INVALID', `${path} does not hold a certificate in PEM`, { cause: error })
  }
}
