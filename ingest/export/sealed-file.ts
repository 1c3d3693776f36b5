// The format of a sealed export: a line that says what it is, a line of JSON (export id, key id, format), then chunks, each a length (four
// bytes, big-endian) and a sealed box (keys/seal.ts). Bound to each box are the two lines, its number, and whether it is the last, so
// that a file that was cut short, put in another order, or put together from two is found. Pure: takes and gives bytes.
import { createHash } from 'node:crypto'
import { PulsegateError } from '../../runtime/errors.ts'
import { type DataKey } from '../keys/data-keys.ts'
import { bind, open, seal, sealOverhead } from '../keys/seal.ts'

export interface ExportHead { readonly export: string, readonly key: number, readonly format: 'ndjson' | 'csv' }

const magic = 'PULSEGATE SEALED EXPORT 1\n'
const chunkBytes = 64 * 1024
const maxHeadBytes = 1_024
const version = { more: 1, last: 2 } as const

/** Takes text, gives the file piece by piece. */
export class ExportSealer {
  readonly head: Buffer
  readonly #key: DataKey
  readonly #bound: string
  #waiting: Buffer[] = []
  #bytes = 0
  #number = 0

  constructor (key: DataKey, head: ExportHead) {
    this.#key = key
    this.head = Buffer.from(`${magic}${JSON.stringify(head)}\n`)
    this.#bound = hashOf(this.head)
  }

  /** The chunks that are full. */
  * add (text: string): Generator<Buffer> {
    const bytes = Buffer.from(text)
    this.#waiting.push(bytes)
    this.#bytes += bytes.length
    if (this.#bytes < chunkBytes) return
    const all = Buffer.concat(this.#waiting)
    let at = 0
    for (; all.length - at > chunkBytes; at += chunkBytes) yield this.#chunk(all.subarray(at, at + chunkBytes), false)
    this.#waiting = [all.subarray(at)]
    this.#bytes = all.length - at
  }

  /** The last chunk, which there always is. */
  end (): Buffer { return this.#chunk(Buffer.concat(this.#waiting), true) }

  #chunk (plain: Buffer, last: boolean): Buffer {
    const box = seal(this.#key.key, last ? version.last : version.more, plain, boundTo(this.#bound, this.#number++))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(box.length)
    return Buffer.concat([length, box])
  }
}

/** What an export's first lines say, and how long they are; null: more bytes are needed. Error EXPORT_DAMAGED: it is none. */
export function readHead (bytes: Buffer): { head: ExportHead, length: number } | null {
  const start = bytes.subarray(0, magic.length).toString('latin1')
  if (!magic.startsWith(start)) throw damaged('it is no sealed export')
  const end = bytes.indexOf(0x0a, magic.length)
  if (end === -1) {
    if (bytes.length > maxHeadBytes) throw damaged('its second line is too long')
    return null
  }
  try {
    const head = JSON.parse(bytes.subarray(magic.length, end).toString('utf8')) as Partial<ExportHead>
    if (typeof head.export === 'string' && Number.isSafeInteger(head.key)) return { head: head as ExportHead, length: end + 1 }
  } catch {
    // said below
  }
  throw damaged('its second line cannot be read')
}

/** Opens chunk after chunk; whatever it gives was sealed so, and in this place. Errors: EXPORT_DAMAGED. */
export class ExportOpener {
  readonly #key: DataKey
  readonly #bound: string
  #rest: Buffer = Buffer.alloc(0)
  #number = 0
  #ended = false

  /** `head`: the first two lines as they are in the file. */
  constructor (key: DataKey, head: Buffer) {
    this.#key = key
    this.#bound = hashOf(head)
  }

  * add (bytes: Buffer): Generator<Buffer> {
    if (this.#ended && bytes.length > 0) throw damaged('something follows its last chunk')
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    for (;;) {
      if (this.#rest.length < 4) return
      const length = this.#rest.readUInt32BE(0)
      if (length < sealOverhead || length > chunkBytes + sealOverhead) throw damaged(`chunk ${this.#number} has an impossible length`)
      if (this.#rest.length < 4 + length) return
      const box = this.#rest.subarray(4, 4 + length)
      this.#rest = this.#rest.subarray(4 + length)
      const plain = this.#open(box)
      this.#ended = box[0] === version.last
      if (this.#ended && this.#rest.length > 0) throw damaged('something follows its last chunk')
      yield plain
    }
  }

  /** After the last byte. */
  end (): void {
    if (!this.#ended) throw damaged(`it ends after ${this.#number} whole chunks, before its last one`)
  }

  #open (box: Buffer): Buffer {
    try {
      return open(this.#key.key, box, boundTo(this.#bound, this.#number++))
    } catch (cause) {
      throw damaged(`chunk ${this.#number - 1} does not open`, cause)
    }
  }
}

function boundTo (head: string, number: number): Buffer { return bind(['pulsegate export', head, String(number)]) }

function hashOf (head: Buffer): string { return createHash('sha256').update(head).digest('hex') }

function damaged (what: string, cause?: unknown): PulsegateError {
  return new PulsegateError('EXPORT_DAMAGED', `the export is damaged: ${what}`, cause === undefined ? {} : { cause })
}
