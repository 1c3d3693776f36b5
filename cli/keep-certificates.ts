// Keeps what the broker checks devices with up to date while it runs: renews the server certificate and the revocation lists in
// time, and has the broker read them again as soon as a file changes, so that `pulsegate certs revoke` takes effect on a running
// Pulsegate, live sessions included, within a second. SIGHUP does the same at once.
import { type CredentialEnd } from '../broker/broker.ts'
import { type AuthorityOptions } from '../certs/authority.ts'
import { ensureDevelopmentAuthority } from '../certs/development.ts'
import { type AuthorityPaths } from '../certs/files.ts'
import { renewOperatorLists } from '../certs/operators.ts'
import { type AuditTrail, silentTrail } from '../runtime/audit.ts'
import { type Health } from '../runtime/health.ts'
import { type Logger, type Meter } from '../runtime/observability.ts'
import { readPassphrase } from '../runtime/passphrase.ts'
import { type Audience } from './certificate-ends.ts'
import { watchCertificates } from './certificate-watch.ts'
import { watchFiles } from './watch-files.ts'

export interface CertificateUpkeep {
  readonly paths: AuthorityPaths
  /** Renew for these names what needs it; absent: somebody else looks after the files, here they are only read again. */
  readonly serverNames?: readonly string[]
  /** Of the authority's keys. */
  readonly passphraseFile?: string | undefined
  /** Who reads the files again: the broker, the EST server, administration. */
  readonly broker: { reloadCertificates (): Promise<void>, readonly certificateEnds?: readonly CredentialEnd[] }
  readonly log: Logger
  /** With these, and a broker that says when what it has ends, it speaks up in time. */
  readonly health?: Health
  readonly meter?: Meter
  readonly audit?: AuditTrail
  /** Who is let in by these; default: devices. */
  readonly audience?: Audience
  /** Why the files could not be read at the start: they are tried again soon. */
  readonly fault?: string | undefined
}

// Server certificates live for weeks and lists for days: an hour late is early enough.
const renewEveryMs = 3_600_000
// after a reading that failed: a file was half copied, or the disk was busy
const againAfterMs = 2_000

/** Starts; gives what ends it. */
export function keepCertificates (upkeep: CertificateUpkeep): () => void {
  const { paths, broker, log, health, meter, audit = silentTrail, audience, fault } = upkeep
  const reader = createReader(broker, log, fault)
  const tellRenewed = (changed: readonly string[]): void => {
    log.info({ changed }, 'certificates renewed') // the files have changed: the look below reloads
    audit.record({ type: 'certificate', subtype: 'renewed', action: 'U', outcome: 'success', agent: { id: 'pulsegate', role: 'service' }, detail: { changed: changed.join(' ') } })
  }
  const watched = [paths.issuingCrl, paths.rootCrl, paths.serverCertificate, paths.ca]
  const unwatchFiles = watchFiles(watched, reader.read)
  const timer = setInterval(() => {
    renewWhatIsDue(upkeep, tellRenewed).catch((err: unknown) => { log.error({ err }, 'certificates could not be renewed; the broker goes on with those it has') })
  }, renewEveryMs).unref()
  process.on('SIGHUP', reader.read)
  const unwatch = health !== undefined && meter !== undefined
    ? watchCertificates({ ends: () => broker.certificateEnds ?? [], fault: () => reader.fault, ...(audience && { audience }), health, meter, log, audit })
    : () => {}
  return () => {
    clearInterval(timer)
    unwatchFiles()
    process.off('SIGHUP', reader.read)
    reader.close()
    unwatch()
  }
}

/**
 * Renews what is due of the fleet's authority and of the operators', each whatever becomes of the other, and tells what was changed, if
 * anything was. Rejects with the fault of the fleet's.
 */
export async function renewWhatIsDue ({ paths, serverNames, passphraseFile, log }: Pick<CertificateUpkeep, 'paths' | 'serverNames' | 'passphraseFile' | 'log'>, tell: (changed: readonly string[]) => void): Promise<void> {
  if (serverNames === undefined) return
  const passphrase = passphraseFile === undefined ? {} : { passphrase: await readPassphrase(passphraseFile) }
  const changed: string[] = []
  try {
    changed.push(...(await ensureDevelopmentAuthority(paths.directory, serverNames, passphrase)).changed)
  } finally {
    changed.push(...await renewOperators(paths.directory, passphrase, log))
    if (changed.length > 0) tell(changed)
  }
}

/** What was renewed of the operators' authority. Its faults (keys under another passphrase) are logged and harm nobody else. */
export async function renewOperators (directory: string, options: AuthorityOptions, log: Logger): Promise<readonly string[]> {
  try {
    return await renewOperatorLists(directory, options) ? ['operators\' lists'] : []
  } catch (err) {
    log.error({ err }, 'the operators\' revocation lists could not be renewed')
    return []
  }
}

interface Reader {
  /** Has the files read once more after whatever reading is under way; several calls meanwhile are one. */
  readonly read: () => void
  readonly fault: string | null
  close (): void
}

function createReader (broker: CertificateUpkeep['broker'], log: Logger, faultAtStart: string | undefined): Reader {
  let state: 'idle' | 'reading' | 'again' | 'closed' = 'idle'
  let fault: string | null = faultAtStart ?? null
  let retry: NodeJS.Timeout | undefined
  const once = async (): Promise<void> => {
    clearTimeout(retry)
    try {
      await broker.reloadCertificates()
      fault = null
    } catch (err) {
      const before = fault
      fault = err instanceof Error ? err.message : 'unknown'
      if (fault !== before) log.error({ err }, 'certificates could not be read; those from before stay in use') // not at every attempt
    }
  }
  const run = async (): Promise<void> => {
    do {
      state = 'reading'
      await once()
    } while ((state as string) === 'again')
    if ((state as string) === 'closed') return
    state = 'idle'
    if (fault !== null) retry = setTimeout(read, againAfterMs).unref()
  }
  const read = (): void => {
    if (state === 'idle') run().catch(() => {}) // never rejects
    else if (state === 'reading') state = 'again'
  }
  if (fault !== null) retry = setTimeout(read, againAfterMs).unref()
  return {
    read,
    get fault () { return fault },
    close: () => {
      state = 'closed'
      clearTimeout(retry)
    }
  }
}
