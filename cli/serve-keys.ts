// Keys of a long-running process: opened (or made at the very first start, where that is allowed) before anything is taken, checked
// against the database, made ahead, told in /readyz.
import { type Database } from '../ingest/database.ts'
import { keepKeysAhead } from '../ingest/keys/ahead.ts'
import { DataKeys } from '../ingest/keys/data-keys.ts'
import { type KeySettings, openKeyRing, isKeyServiceUrl } from '../ingest/keys/key-ring.ts'
import { type KeyService } from '../ingest/keys/key-service.ts'
import { ensureMasterKey } from '../ingest/keys/master-key-file.ts'
import { type AuditTrail, silentTrail } from '../runtime/audit.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type Health } from '../runtime/health.ts'
import { type Lifecycle } from '../runtime/lifecycle.ts'
import { type Logger } from '../runtime/observability.ts'

/** Errors: MASTER_KEY_MISSING (unless `make`), MASTER_KEY_INVALID, SECRET_FILE_EXPOSED, … */
export function openMasterKey (settings: KeySettings, { make, log }: { readonly make: boolean, readonly log: Logger }): KeyService {
  if (make && !isKeyServiceUrl(settings.masterKey)) {
    const { keys, made } = ensureMasterKey(settings.masterKey)
    keys.close()
    if (made) log.warn({ file: settings.masterKey }, 'a master key was made: back it up, apart from the database; without it quarantine and exports are unreadable')
  }
  return openKeyRing(settings)
}

export interface ServeKeysOptions {
  readonly keys: KeyService
  readonly database: Database
  readonly health: Health
  readonly lifecycle: Lifecycle
  readonly log: Logger
  readonly audit?: AuditTrail
}

/**
 * Errors: KEY_MASTER_UNKNOWN when the database's keys are wrapped by another master key. A key service or a database that is away is no
 * error: a message for quarantine waits for it.
 */
export async function serveKeys ({ keys, database, health, lifecycle, log, audit = silentTrail }: ServeKeysOptions): Promise<DataKeys> {
  const dataKeys = new DataKeys({ database, keys, audit })
  lifecycle.onClose('master key', () => { keys.close() })
  try {
    await dataKeys.forDigests()
    log.info({ place: keys.place, master: await keys.id() }, 'quarantine is sealed with this master key')
  } catch (error) {
    if (error instanceof PulsegateError && !error.entry.retryable) throw error
    log.warn({ err: error }, 'the keys cannot be checked now; what must be quarantined waits for them')
  }
  const ahead = keepKeysAhead({ database, keys: dataKeys, log })
  lifecycle.onClose('data keys made ahead', () => ahead.close())
  // not a reason to send devices elsewhere: good messages need no key
  health.register('keys', () => dataKeys.fault === null ? { ready: true } : { ready: true, reason: dataKeys.fault })
  return dataKeys
}
