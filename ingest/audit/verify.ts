// Verifies the trail in a database against the heads in the table and in the folder. What is trusted: the keys given, else the folder's own
// (its first key and those that succeeded it), and the public keys that a person has put into its trusted/.
import { type KeyObject } from 'node:crypto'
import { type Database } from '../database.ts'
import { ChainCheck, type VerifyReport } from './check.ts'
import { judgeHeads, parseHeads } from './evidence.ts'
import { Faults } from './faults.ts'
import { type AuditFolder, readKeys, readOrEmpty, readTrusted } from './folder.ts'
import { type KeyRecord, parsePublicKey, trustedKeys } from './keys.ts'
import { lastNumber, readRows, readTableHeads } from './rows.ts'

export interface VerifyOptions {
  readonly database: Database
  readonly folder: AuditFolder
  /** Instead of the folder's own first key. */
  readonly publicKeys?: readonly KeyObject[]
  /** Told after each page. */
  readonly onProgress?: (done: number, total: number) => void
}

export async function verifyTrail ({ database, folder, publicKeys = [], onProgress }: VerifyOptions): Promise<VerifyReport> {
  const faults = new Faults()
  const total = await lastNumber(database)
  // the table before the file: a head is in the file first
  const table = await readTableHeads(database)
  const { records } = await readKeys(folder)
  const text = await readOrEmpty(folder.heads)
  // a folder without keys is not where heads are signed: there is no file to miss something in
  const file = records.length > 0 || text !== '' ? parseHeads(text, faults) : null
  const { keys, faults: keyFaults } = trustedKeys([...publicKeys.length > 0 ? publicKeys : ownAnchor(records), ...await readTrusted(folder)], records)
  for (const what of keyFaults) faults.add('bad-signature', null, what)
  const check = new ChainCheck(judgeHeads({ table, file }, keys, new Set(records.map(({ key }) => key)), faults), faults)
  for await (const page of readRows(database)) {
    for (const row of page) check.row(row)
    onProgress?.(page.at(-1)?.number ?? 0, total)
  }
  return check.end()
}

/** The first key of a folder vouches for itself: the folder is out of reach of whoever owns the database. */
function ownAnchor (records: readonly KeyRecord[]): KeyObject[] {
  const first = records.find(({ previous }) => previous === undefined)
  if (first === undefined) return []
  return [parsePublicKey(`-----BEGIN PUBLIC KEY-----\n${first.publicKey}\n-----END PUBLIC KEY-----\n`, 'keys.jsonl')]
}
