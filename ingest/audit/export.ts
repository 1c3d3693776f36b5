// The trail, or a part of it without a gap, as lines of JSON that a third party can verify without a database: first what it is, then the
// public keys, the signed heads and the rows with their hashes. What is hashed is the text of `event`, to the byte.
import { type Database } from '../database.ts'
import { emptyChain } from './chain.ts'
import { type StoredRow } from './check.ts'
import { parseHeads } from './evidence.ts'
import { Faults } from './faults.ts'
import { type AuditFolder, readKeys, readOrEmpty } from './folder.ts'
import { headName, type SignedHead } from './heads.ts'
import { type KeyRecord } from './keys.ts'
import { lastNumber, readRows, readTableHeads } from './rows.ts'

/** The first line. */
export interface ExportStart {
  readonly format: 'pulsegate audit export'
  readonly version: 1
  readonly madeAt: string
  /** Number of the first row, and the hash of the row before it, hex. */
  readonly from: number
  readonly hashBefore: string
  /** Number of the last row; the export is cut off when it does not end with it. */
  readonly to: number
  /** How many signed heads follow; lines of them are missing when there are fewer. Absent in exports of the first versions. */
  readonly heads?: number
}

export type ExportLine =
  | { readonly start: ExportStart }
  | { readonly key: KeyRecord }
  | { readonly head: SignedHead }
  | { readonly row: Pick<StoredRow, 'number' | 'id' | 'hash'> & { readonly event: string } }

export interface ExportOptions {
  readonly database: Database
  readonly folder: AuditFolder
  readonly from?: number
  readonly to?: number
  readonly onProgress?: (done: number, total: number) => void
}

/** The lines, each with its newline, in pieces of a page. */
export async function * exportTrail ({ database, folder, from = 1, to: wanted, onProgress }: ExportOptions): AsyncGenerator<string> {
  const to = Math.min(wanted ?? Number.MAX_SAFE_INTEGER, await lastNumber(database))
  const hashBefore = await hashOf(database, from - 1)
  const all = new Map([...await readTableHeads(database), ...parseHeads(await readOrEmpty(folder.heads), new Faults())].map((head) => [headName(head), head]))
  const heads = [...all.values()].filter(({ number }) => number >= from && number <= to)
  yield linesOf([{ start: { format: 'pulsegate audit export', version: 1, madeAt: new Date().toISOString(), from, hashBefore, to, heads: heads.length } }])
  yield linesOf((await readKeys(folder)).records.map((key) => ({ key })))
  yield linesOf(heads.map((head) => ({ head })))
  for await (const page of readRows(database, { after: from - 1, to })) {
    yield linesOf(page.map(({ number, id, hash, text }) => ({ row: { number, id, hash, event: text } })))
    onProgress?.((page.at(-1)?.number ?? from) - from + 1, to - from + 1)
  }
}

function linesOf (lines: readonly ExportLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}

async function hashOf (database: Database, number: number): Promise<string> {
  if (number === 0) return emptyChain.hash.toString('hex')
  const { rows } = await database.query<{ hash: string }>("SELECT encode(hash, 'hex') AS hash FROM audit WHERE number = $1", [number])
  return rows[0]?.hash ?? ''
}
