// Reading payloads of quarantine: every reader comes through here. Takes rows as the table has them, gives each one's bytes or why they
// cannot be had; one that cannot is no reason not to give the others. A key service that is away is thrown: that passes.
import { PulsegateError } from '../runtime/errors.ts'
import { type DataKeys } from './keys/data-keys.ts'
import { openPayload } from './quarantine-seal.ts'

/** What `openRow` needs of a row. */
export interface SealedColumns {
  readonly publisher: string
  readonly source: string | null
  readonly boot: string | null
  readonly seq: string | null
  readonly kind: string
  readonly reason: string
  readonly payload: Buffer
  readonly digest: Buffer
  readonly key: string | null
}

export type Opened = { readonly payload: Buffer } | { readonly fault: PulsegateError }

/** What stands in place of a reason for a message that cannot be opened, by the error's code. */
export const openFaults: Readonly<Record<string, string>> = {
  KEY_DESTROYED: 'key-destroyed',
  KEY_MASTER_UNKNOWN: 'master-key-unknown',
  SEALED_DATA_DAMAGED: 'damaged'
}

/** One line of what each of these means. */
export const unopenedMeanings: Readonly<Record<string, string>> = {
  'key-destroyed': 'The key that it was sealed with has been destroyed: it is unreadable for good.',
  'master-key-unknown': 'The key that it was sealed with is wrapped by a master key that was not given.',
  damaged: 'What is stored does not open: it was changed, or moved from another row.'
}

/** Errors: KEY_UNAVAILABLE, KEY_SERVICE_REFUSED, the database's. */
export async function openRow (keys: DataKeys, row: SealedColumns): Promise<Opened> {
  if (row.key === null) return { payload: row.payload } // from before, in the clear
  try {
    return { payload: openPayload(await keys.toOpen(Number(row.key)), row, row.payload) }
  } catch (error) {
    if (error instanceof PulsegateError && error.code in openFaults) return { fault: error }
    throw error
  }
}
