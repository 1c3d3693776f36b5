// Whether a master key that somebody calls lost is really away. Takes the places where master keys are kept by the settings, and a data key
// that the lost one wraps; asks each place to open it. What cannot be asked may have it, so that is an error and not a no.
import { errorCodeOf } from '../../runtime/error-code.ts'
import { type Database } from '../database.ts'
import { type KeySettings, openKeyRing } from './key-ring.ts'
import { type KeyContext, type KeyService, type WrappedKey } from './key-service.ts'

interface Row extends KeyContext { master: string, wrapped: Buffer }

/** Nothing is there, or it is no key: what was there is lost indeed. */
const gone = ['MASTER_KEY_MISSING', 'MASTER_KEY_INVALID']

/** Where master key `id` is; null: in none of the places. Errors: KEY_UNAVAILABLE, KEY_SERVICE_REFUSED, SECRET_FILE_*, the database's. */
export async function placeOfMaster (database: Database, { masterKey, oldMasterKeys = [], ...service }: KeySettings, id: string): Promise<string | null> {
  const { rows: [row] } = await database.query<Row>('SELECT purpose, tenant, day::text, master, wrapped FROM data_key WHERE master = $1 AND wrapped IS NOT NULL ORDER BY id LIMIT 1', [id])
  for (const place of [masterKey, ...oldMasterKeys]) {
    const keys = openUnlessGone({ masterKey: place, ...service })
    try {
      if (keys !== null && (await keys.id() === id || (row !== undefined && await opens(keys, row)))) return keys.place
    } finally {
      keys?.close()
    }
  }
  return null
}

function openUnlessGone (settings: KeySettings): KeyService | null {
  try {
    return openKeyRing(settings)
  } catch (error) {
    if (gone.includes(errorCodeOf(error))) return null
    throw error
  }
}

async function opens (keys: KeyService, { master, wrapped, ...context }: Row): Promise<boolean> {
  const key: WrappedKey = { master, wrapped }
  try {
    (await keys.unwrap(key, context)).fill(0)
    return true
  } catch (error) {
    if (errorCodeOf(error) === 'KEY_MASTER_UNKNOWN') return false
    throw error
  }
}
