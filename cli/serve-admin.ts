// The administration address of a process: whom it lets in (the operators' authority beside the fleet's), and what can be asked there.
// Off unless a port is set; when one is, a missing authority ends the start instead of leaving the port shut in silence.
import { type AdminServer, startAdminServer } from '../admin/server.ts'
import { type TlsFiles } from '../broker/broker.ts'
import { loadCredentials, type Credentials } from '../broker/credentials.ts'
import { authorityPaths, isThere, type AuthorityPaths } from '../certs/files.ts'
import { operatorsDirectory } from '../certs/operators.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type Health } from '../runtime/health.ts'
import { type Config } from '../runtime/settings.ts'
import { type AdminParts, adminRoutes } from './admin-routes.ts'
import { type Audience } from './certificate-ends.ts'
import { keepCertificates } from './keep-certificates.ts'
import { type PartsContext, tlsFilesOf } from './parts.ts'

export interface AdminOptions {
  readonly host: string
  readonly port: number
  /** Folder of the fleet's authority. */
  readonly certs: string
  /** Holds the passphrase of an encrypted server key. */
  readonly certsPassphraseFile?: string | undefined
}

type ServeAdminOptions = Partial<AdminOptions> & Pick<AdminOptions, 'certs'>

export const adminSettings = ['adminHost', 'adminPort'] as const

/** What a process is told of it; nothing: there is to be none. */
export function adminOptions ({ adminHost, adminPort }: Config<typeof adminSettings[number]>): { admin?: Pick<AdminOptions, 'host' | 'port'> } {
  return adminPort === undefined ? {} : { admin: { host: adminHost, port: adminPort } }
}

/** For the start, before anything is opened: whether anybody could get in. Throws CERTS_OPERATORS_MISSING. */
export async function checkAdministration (certs: string, admin: object | undefined): Promise<void> {
  const { ca } = adminPaths(certs)
  if (admin === undefined || await isThere(ca)) return
  throw new PulsegateError('CERTS_OPERATORS_MISSING', `${ca} is not there, so nobody could administer; first do: pulsegate certs operator <name> --role operator --dir ${certs}`)
}

/**
 * Starts it when it is wanted; closed with the lifecycle. What has ended (an operators' list that nobody renewed) lets nobody in until it
 * is renewed, and the process goes on: devices have no part in it. Throws CERTS_OPERATORS_MISSING, PORT_UNAVAILABLE, TLS_FILE_* and
 * CERTS_PASSPHRASE_UNUSABLE.
 */
export async function serveAdmin ({ host, port, certs, certsPassphraseFile }: ServeAdminOptions, { health, ...parts }: AdminParts & { readonly health: Health }, { lifecycle, observability }: PartsContext): Promise<AdminServer | null> {
  if (host === undefined || port === undefined) return null
  await checkAdministration(certs, { host, port })
  const { log, meter } = observability
  const paths = adminPaths(certs)
  const load = (): Promise<Credentials> => adminCredentials(tlsFilesOf(paths, certsPassphraseFile), paths)
  let fault: string | undefined
  let credentials = await load().catch((error: unknown) => {
    if (!(error instanceof PulsegateError && error.code === 'TLS_FILE_EXPIRED')) throw error
    fault = error.message
    log.error({ err: error }, 'administration lets nobody in')
    return null
  })
  const server = await startAdminServer({ host, port, tls: credentials, routes: adminRoutes(parts), audit: parts.audit, handshakes: parts.broker.handshakes, observability })
  lifecycle.onClose('administration', () => server.close())
  const reader = {
    get certificateEnds () { return credentials?.ends ?? [] },
    async reloadCertificates (): Promise<void> {
      credentials = await load()
      server.replace(credentials)
    }
  }
  const audience: Audience = { who: 'operator', vital: false, option: ` --dir ${paths.directory}` }
  lifecycle.onClose('certificates of administration', keepCertificates({ paths, broker: reader, audience, fault, log, health, meter, audit: parts.audit }))
  log.info({ address: server.address }, 'administration listens')
  return server
}

async function adminCredentials (files: TlsFiles, { directory }: AuthorityPaths): Promise<Credentials> {
  return loadCredentials(files).catch((error: unknown) => {
    if (!(error instanceof PulsegateError)) throw error
    throw new PulsegateError(error.code, error.message.replace(/pulsegate certs (crl|ca status)/, `$& --dir ${directory}`), { cause: error })
  })
}

/** The operators' authority and lists, and of the fleet's the broker's own server certificate. */
export function adminPaths (certs: string): AuthorityPaths {
  const { serverKey, serverCertificate } = authorityPaths(certs)
  return { ...authorityPaths(operatorsDirectory(certs)), serverKey, serverCertificate }
}
