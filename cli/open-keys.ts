// The keys of a command that opens or seals: takes its settings and a database, gives data keys, closes what was opened.
import { type Command } from 'commander'
import { type Database } from '../ingest/database.ts'
import { DataKeys } from '../ingest/keys/data-keys.ts'
import { type KeyService } from '../ingest/keys/key-service.ts'
import { type AuditTrail, silentTrail } from '../runtime/audit.ts'
import { keySettingNames, openKeys } from './master-key.ts'
import { addSettings, configOf } from './options.ts'

/** Adds the flags that `withDataKeys` reads. */
export function addKeyOptions (command: Command): Command { return addSettings(command, keySettingNames) }

/** Errors: of openKeyRing, before the database is asked anything. */
export async function withDataKeys<T> (command: Command, database: Database, work: (keys: DataKeys, master: KeyService) => Promise<T>, audit: AuditTrail = silentTrail): Promise<T> {
  const keys = openKeys(configOf(command, keySettingNames))
  try {
    return await work(new DataKeys({ database, keys, audit }), keys)
  } finally {
    keys.close()
  }
}
