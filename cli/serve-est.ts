// How the EST server is put together, beside a broker in `up` or alone in `pulsegate certs est`: the authority's folder, the registry where
// there is a database, the audit trail or its spool, and files that are read again when they change.
import { Addresses } from '../broker/addresses.ts'
import { Gate } from '../broker/gate.ts'
import { defaultLimits } from '../broker/limits.ts'
import { authorityPaths } from '../certs/files.ts'
import { type EstLimits } from '../certs/est/limits.ts'
import { makersDirectory } from '../certs/est/makers.ts'
import { type EstServer, startEstServer } from '../certs/est/server.ts'
import { createSpoolTrail } from '../certs/spool-trail.ts'
import { type Database } from '../ingest/database.ts'
import { mayEnrol } from '../ingest/may-enrol.ts'
import { type AuditTrail } from '../runtime/audit.ts'
import { type HandshakeGate } from '../runtime/handshake-gate.ts'
import { type Health } from '../runtime/health.ts'
import { type Lifecycle } from '../runtime/lifecycle.ts'
import { keepCertificates } from './keep-certificates.ts'
import { type PartsContext } from './parts.ts'
import { watchFolder } from './watch-files.ts'

export interface ServeEstOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Life of what is issued. */
  readonly deviceLifeMs: number
  readonly limits?: Partial<EstLimits>
}

export interface EstParts {
  /** The authority's. */
  readonly directory: string
  /** Keep the server certificate good for these names; absent: somebody else looks after it. */
  readonly serverNames?: readonly string[]
  /** Holds the passphrase of the authority's keys. */
  readonly passphraseFile?: string | undefined
  /** Where devices are registered; absent: only revocation keeps a device from renewing. */
  readonly database?: Database
  /** Default: the spool in the authority's folder. */
  readonly audit?: AuditTrail
  readonly health: Health
  /** The gate of the broker in this process; absent: one of its own. */
  readonly handshakes?: HandshakeGate
}

const dayMs = 86_400_000
const tickMs = 200

export async function serveEst ({ host, port, deviceLifeMs, limits }: ServeEstOptions, { directory, serverNames, passphraseFile, database, audit, health, handshakes }: EstParts, { lifecycle, observability }: PartsContext): Promise<EstServer> {
  const log = observability.log.child({ part: 'est' })
  const trail = audit ?? spoolUntilClosed()
  const est = await startEstServer({
    directory,
    passphraseFile,
    host,
    port,
    days: deviceLifeMs / dayMs,
    ...(database && { mayEnrol: (id) => mayEnrol(database, id) }),
    audit: trail,
    observability: { ...observability, log },
    ...(limits && { limits }),
    handshakes: handshakes ?? ownGate(lifecycle)
  })
  lifecycle.onClose('enrolment over HTTPS', (hard) => est.close(hard))
  health.register('enrolment', () => est.check())
  lifecycle.onClose('certificates of enrolment', keepCertificates({ paths: authorityPaths(directory), passphraseFile, ...(serverNames && { serverNames }), broker: est, log }))
  const reload = (): void => { est.reloadCertificates().catch((err: unknown) => { log.error({ err }, 'makers could not be read; those from before still count') }) }
  lifecycle.onClose('look at makers', watchFolder(makersDirectory(directory), reload))
  return est

  function spoolUntilClosed (): AuditTrail {
    const spool = createSpoolTrail(directory, 'pulsegate est', log)
    lifecycle.onClose('audit spool of enrolment', () => spool.close())
    return spool
  }
}

function ownGate (lifecycle: Lifecycle): HandshakeGate {
  const gate = new Gate(defaultLimits, new Addresses(defaultLimits), { begin () {}, refused () {} }) // no port of a broker here
  const timer = setInterval(() => { gate.tick(performance.now()) }, tickMs).unref()
  lifecycle.onClose('gate of enrolment', () => { clearInterval(timer) })
  return gate
}
