// Verifies an export without a database and without trusting it: its rows against its signed heads, those against public keys that came to
// the verifier by another way. Takes lines, gives the same report as for a database.
import { type KeyObject } from 'node:crypto'
import { PulsegateError } from '../../runtime/errors.ts'
import { ChainCheck, type VerifyReport } from './check.ts'
import { judgeHeads } from './evidence.ts'
import { type ExportLine, type ExportStart } from './export.ts'
import { Faults } from './faults.ts'
import { headName, parseHead, type SignedHead } from './heads.ts'
import { type KeyRecord, trustedKeys } from './keys.ts'

export interface VerifyExportOptions {
  readonly lines: AsyncIterable<string>
  readonly publicKeys: readonly KeyObject[]
  /** Told every some thousand rows. */
  readonly onProgress?: (done: number, total: number) => void
}

const progressEvery = 5_000

/** Errors: AUDIT_EXPORT_INVALID names the line. */
export async function verifyExport ({ lines, publicKeys, onProgress }: VerifyExportOptions): Promise<VerifyReport> {
  const faults = new Faults()
  let start: ExportStart | null = null
  const keys: KeyRecord[] = []
  const heads: SignedHead[] = []
  let check: ChainCheck | null = null
  let number = 0
  let last = 0
  for await (const line of lines) {
    number++
    if (line === '') continue
    const entry = parseLine(line, number)
    if (start === null) {
      if (!('start' in entry)) throw invalid(number, 'the first line does not say that it is an export')
      start = entry.start
      last = start.from - 1
    } else if ('row' in entry) {
      check ??= open(start)
      const { row: { number: rowNumber, id, hash, event } } = entry
      check.row({ number: rowNumber, id, hash, text: event })
      last = rowNumber
      if (last % progressEvery === 0) onProgress?.(last - start.from + 1, start.to - start.from + 1)
    } else if (check !== null) throw invalid(number, 'keys and heads come before the rows')
    else if ('key' in entry) keys.push(entry.key)
    else if ('head' in entry) heads.push(entry.head)
  }
  if (start === null) throw invalid(1, 'it is empty')
  check ??= open(start)
  if (last < start.to) faults.add('truncated', last + 1, `the export ends with row ${last}; it was made with rows up to ${start.to}`)
  return check.end()

  function open ({ from, hashBefore, heads: declared }: ExportStart): ChainCheck {
    // one that stands there twice takes no other's place
    const present = new Set(heads.map(headName)).size
    if (declared !== undefined && present < declared) faults.add('heads-missing', null, `the export has ${present} signed heads; it was made with ${declared}`)
    const { keys: trusted, faults: keyFaults } = trustedKeys(publicKeys, keys)
    for (const what of keyFaults) faults.add('bad-signature', null, what)
    return new ChainCheck(judgeHeads({ table: heads, file: null }, trusted, new Set(), faults), faults, { number: from - 1, hash: Buffer.from(hashBefore, 'hex') })
  }
}

function parseLine (line: string, number: number): ExportLine {
  let entry: Partial<Record<'start' | 'key' | 'head' | 'row', Record<string, unknown>>>
  try {
    entry = JSON.parse(line) as typeof entry
  } catch (cause) {
    throw invalid(number, 'it is not JSON; was the file cut off?', cause)
  }
  const { start, key, head, row } = entry
  const good = start !== undefined
    ? start['format'] === 'pulsegate audit export' && start['version'] === 1 && isNumber(start['from']) && isNumber(start['to']) && (start['heads'] === undefined || isNumber(start['heads'])) && isHash(start['hashBefore'])
    : key !== undefined
      ? typeof key['key'] === 'string' && typeof key['publicKey'] === 'string' && isNumber(key['atMs'])
      : head !== undefined
        ? parseHead(JSON.stringify(head)) !== null
        : row !== undefined && isNumber(row['number']) && typeof row['id'] === 'string' && isHash(row['hash']) && typeof row['event'] === 'string'
  if (!good) throw invalid(number, 'it is none of an export\'s lines')
  return entry as unknown as ExportLine
}

const isNumber = (value: unknown): boolean => Number.isSafeInteger(value)
const isHash = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)

function invalid (line: number, what: string, cause?: unknown): PulsegateError {
  return new PulsegateError('AUDIT_EXPORT_INVALID', `line ${line} of the export: ${what}`, { cause })
}
