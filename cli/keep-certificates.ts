// Keeps what the broker checks devices with up to date while it runs: renews the server certificate and the revocation lists in
// time, and has the broker read them again as soon as a file changes, so that `pulsegate certs revoke` takes effect on a running
// Pulsegate, live sessions included, within a second. SIGHUP does the same at once.
import { unwatchFile, watchFile } from 'node:fs'
import { ensureDevelopmentAuthority } from '../certs/development.ts'
import { type AuthorityPaths } from '../certs/files.ts'
import { type Logger } from '../runtime/observability.ts'

export interface CertificateUpkeep {
  readonly paths: AuthorityPaths
  /** Renew for these names what needs it; absent: somebody else looks after the files, here they are only read again. */
  readonly serverNames?: readonly string[]
  /** Who reads the files again: the broker, the EST server. */
  readonly broker: { reloadCertificates (): Promise<void> }
  readonly log: Logger
}

// Server certificates live for weeks and lists for days: an hour late is early enough.
const renewEveryMs = 3_600_000
// A stat of four files; a folder watch would miss files that are renamed into place on some file systems. A revocation is to be
// known to every broker within a second: this, reading the lists (tens of milliseconds) and telling the others must fit in.
const lookEveryMs = 400

/** Starts; gives what ends it. */
export function keepCertificates ({ paths, serverNames, broker, log }: CertificateUpkeep): () => void {
  const failed = (err: unknown): void => { log.error({ err }, 'certificates could not be renewed or read; the broker goes on with those it has') }
  const reload = (): void => { broker.reloadCertificates().catch(failed) }
  const renew = async (): Promise<void> => {
    if (serverNames === undefined) return
    const { changed } = await ensureDevelopmentAuthority(paths.directory, serverNames)
    if (changed.length > 0) log.info({ changed }, 'certificates renewed') // the files have changed: the look below reloads
  }
  const watched = [paths.issuingCrl, paths.rootCrl, paths.serverCertificate, paths.ca]
  for (const file of watched) watchFile(file, { interval: lookEveryMs, persistent: false }, reload)
  const timer = setInterval(() => { renew().catch(failed) }, renewEveryMs).unref()
  process.on('SIGHUP', reload)
  return () => {
    clearInterval(timer)
    for (const file of watched) unwatchFile(file, reload)
    process.off('SIGHUP', reload)
  }
}
