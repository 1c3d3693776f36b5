// The administration address of a process: whom it lets in (the operators' authority beside the fleet's), and what can be asked there.
// Off unless a port is set; when one is, a missing authority ends the start instead of leaving the port shut in silence.
import { type AdminServer, startAdminServer } from '../admin/server.ts'
import { loadCredentials, type Credentials } from '../broker/credentials.ts'
import { type TlsFiles } from '../broker/broker.ts'
import { authorityPaths } from '../certs/files.ts'
import { operatorsDirectory } from '../certs/operators.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type Config } from '../runtime/settings.ts'
import { type AdminParts, adminRoutes } from './admin-routes.ts'
import { type PartsContext } from './parts.ts'
import { watchFiles } from './watch-files.ts'

export interface AdminOptions {
  readonly host: string
  readonly port: number
  /** Folder of the fleet's authority. */
  readonly certs: string
}

export const adminSettings = ['adminHost', 'adminPort'] as const

/** What a process is told of it; nothing: there is to be none. */
export function adminOptions ({ adminHost, adminPort }: Config<typeof adminSettings[number]>): { admin?: Omit<AdminOptions, 'certs'> } {
  return adminPort === undefined ? {} : { admin: { host: adminHost, port: adminPort } }
}

/** Starts it when it is wanted; closed with the lifecycle. Throws PORT_UNAVAILABLE and TLS_FILE_*. */
export async function serveAdmin (options: Partial<AdminOptions> & Pick<AdminOptions, 'certs'>, parts: AdminParts, { lifecycle, observability }: PartsContext): Promise<AdminServer | null> {
  const { host, port } = options
  if (host === undefined || port === undefined) return null
  const files = adminFiles(options.certs)
  const server = await startAdminServer({
    host,
    port,
    tls: await adminCredentials(files),
    routes: adminRoutes(parts),
    audit: parts.audit,
    observability
  })
  lifecycle.onClose('administration', () => server.close())
  const reload = (): void => {
    adminCredentials(files).then((tls) => { server.replace(tls) }, (err: unknown) => {
      observability.log.error({ err }, 'the certificates of administration could not be read; it goes on with those it has')
    })
  }
  lifecycle.onClose('certificates of administration', watchFiles([files.certFile, files.caFile, ...files.crlFiles], reload))
  observability.log.info({ address: server.address }, 'administration listens')
  return server
}

async function adminCredentials (files: TlsFiles): Promise<Credentials> {
  return loadCredentials(files).catch((error: unknown) => {
    if (!(error instanceof PulsegateError) || !error.message.includes(files.caFile)) throw error
    throw new PulsegateError(error.code, `${error.message}; administration lets in who has a certificate of the operators' authority, so first do: pulsegate certs operator <name> --role operator`, { cause: error })
  })
}

/** The broker's own server certificate; the operators' authority and lists. */
export function adminFiles (certs: string): TlsFiles {
  const fleet = authorityPaths(certs)
  const operators = authorityPaths(operatorsDirectory(certs))
  return { keyFile: fleet.serverKey, certFile: fleet.serverCertificate, caFile: operators.ca, crlFiles: [operators.issuingCrl, operators.rootCrl] }
}
