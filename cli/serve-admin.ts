// The administration address of a process: whom it lets in (the operators' authority beside the fleet's), and what can be asked there.
// Off unless a port is set; when one is, a missing authority ends the start instead of leaving the port shut in silence.
import { join } from 'node:path'
import { type AdminServer, startAdminServer } from '../admin/server.ts'
import { loadCredentials } from '../broker/credentials.ts'
import { type Broker, type TlsFiles } from '../broker/broker.ts'
import { authorityPaths } from '../certs/files.ts'
import { operatorsDirectory } from '../certs/operators.ts'
import { type DeviceRegistry } from '../ingest/registry.ts'
import { type AuditLog } from '../runtime/audit.ts'
import { adminRoutes } from './admin-routes.ts'
import { type PartsContext } from './parts.ts'
import { watchFiles } from './watch-files.ts'

export interface AdminOptions {
  readonly host: string
  readonly port: number
  /** Folder of the fleet's authority. */
  readonly certs: string
}

/** Starts it; closed with the lifecycle. Throws PORT_UNAVAILABLE and TLS_FILE_*. */
export async function serveAdmin (options: AdminOptions, parts: { readonly broker: Broker, readonly registry: DeviceRegistry, readonly audit: AuditLog }, { lifecycle, observability }: PartsContext): Promise<AdminServer> {
  const files = adminFiles(options.certs)
  const server = await startAdminServer({
    host: options.host,
    port: options.port,
    tls: await loadCredentials(files),
    routes: adminRoutes(parts),
    audit: parts.audit,
    observability
  })
  lifecycle.onClose('administration', () => server.close())
  const reload = (): void => {
    loadCredentials(files).then((tls) => { server.replace(tls) }, (err: unknown) => {
      observability.log.error({ err }, 'the certificates of administration could not be read; it goes on with those it has')
    })
  }
  lifecycle.onClose('certificates of administration', watchFiles([files.certFile, files.caFile, ...files.crlFiles], reload))
  observability.log.info({ address: server.address }, 'administration listens')
  return server
}

/** The broker's own server certificate; the operators' authority and lists. */
export function adminFiles (certs: string): TlsFiles {
  const fleet = authorityPaths(certs)
  const operators = authorityPaths(operatorsDirectory(join(certs)))
  return { keyFile: fleet.serverKey, certFile: fleet.serverCertificate, caFile: operators.ca, crlFiles: [operators.issuingCrl, operators.rootCrl] }
}
