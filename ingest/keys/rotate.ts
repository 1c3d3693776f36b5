// Rotation of the master key: every data key that another master key wraps is unwrapped and wrapped by the current one. What the data keys
// have sealed is not touched. Stopped at any moment, the same again goes on with what is left; running processes go on meanwhile.
import { type Database } from '../database.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { type KeyContext, type KeyService } from './key-service.ts'

export interface Rotation {
  /** Which master key wraps from now on. */
  readonly to: string
  readonly total: number
  /** Wraps the next keys anew; null: none is left that was not tried. */
  next (): Promise<RotationPage | null>
}

/** `left`: by master key, those that none of ours opens. */
export interface RotationPage { readonly moved: number, readonly left: ReadonlyMap<string, number> }

interface Row extends Pick<KeyContext, 'purpose' | 'tenant' | 'day'> { id: string, master: string, wrapped: Buffer }

const pageRows = 100
const others = 'wrapped IS NOT NULL AND master <> $1'

/** `keys`: the new master key, with the old ones behind it. Errors: KEY_UNAVAILABLE, SEALED_DATA_DAMAGED, the database's. */
export async function openRotation (database: Database, keys: KeyService): Promise<Rotation> {
  const to = await keys.id()
  const { rows: [count] } = await database.query<{ n: string }>(`SELECT count(*) AS n FROM data_key WHERE ${others}`, [to])
  let after = '0'
  return {
    to,
    total: Number(count?.n),
    async next () {
      const { rows } = await database.query<Row>(`SELECT id, purpose, tenant, day::text, master, wrapped FROM data_key WHERE ${others} AND id > $2 ORDER BY id LIMIT ${pageRows}`, [to, after])
      const last = rows.at(-1)
      if (last === undefined) return null
      const left = new Map<string, number>()
      let moved = 0
      for (const row of rows) {
        if (await move(database, keys, row)) moved++
        else left.set(row.master, (left.get(row.master) ?? 0) + 1)
      }
      after = last.id
      return { moved, left }
    }
  }
}

async function move (database: Database, keys: KeyService, { id, master, wrapped, ...context }: Row): Promise<boolean> {
  let bytes: Buffer
  try {
    bytes = await keys.unwrap({ master, wrapped }, context)
  } catch (error) {
    if (error instanceof PulsegateError && error.code === 'KEY_MASTER_UNKNOWN') return false
    throw error
  }
  const anew = await keys.wrap(bytes, context)
  // destroyed, or moved by somebody else, in the meantime: left as it is
  await database.query('UPDATE data_key SET master = $3, wrapped = $4, rotated_at = now() WHERE id = $1 AND wrapped = $2', [id, wrapped, anew.master, anew.wrapped])
  return true
}
