// Follows the chain row by row, pure: takes rows in the order of their numbers and what signed heads vouch for, notes every fault, and gives
// the report. It goes on after a fault from the hash that is stored, so that one altered row is one fault and not all rows behind it.
import { emptyChain, type Head, linkHex } from './chain.ts'
import { type Fields, saysTheSame, type ShownColumns } from './columns.ts'
import { addFaults, type Doubt, type Evidence, noticesOf, timeOf } from './evidence.ts'
import { type Fault, type Faults } from './faults.ts'

export interface StoredRow {
  readonly number: number
  readonly id: string
  /** Hex. */
  readonly hash: string
  readonly text: string
  /** The computed columns as the database shows them; absent in an export. */
  readonly columns?: ShownColumns
}

export interface VerifyReport {
  readonly ok: boolean
  readonly rows: number
  readonly firstNumber: number | null
  readonly lastNumber: number
  /** Of the last row, hex. */
  readonly hash: string
  /** Signed heads that were looked at. */
  readonly heads: number
  /** Up to this row a signed head agrees; what comes after it could be cut off unseen. */
  readonly signedTo: number
  readonly firstBad: number | null
  readonly faultCount: number
  /** The first fifty. */
  readonly faults: readonly Fault[]
  /** Nothing wrong, but to be known: heads that vouch for nothing. */
  readonly notices: readonly string[]
}

export class ChainCheck {
  readonly #evidence: Evidence
  readonly #faults: Faults
  #before: { readonly number: number, readonly hash: string }
  #first: number | null = null
  #rows = 0
  #signedTo = 0
  readonly #doubts: ReadonlyMap<number, readonly Doubt[]>
  readonly #agreeing: Doubt[] = []

  /** `start`: behind which row; the empty chain unless only a part is at hand. */
  constructor (evidence: Evidence, faults: Faults, start: Head = emptyChain) {
    this.#evidence = evidence
    this.#faults = faults
    this.#before = { number: start.number, hash: start.hash.toString('hex') }
    const doubts = new Map<number, Doubt[]>()
    for (const doubt of evidence.doubts) {
      const others = doubts.get(doubt.head.number)
      if (others === undefined) doubts.set(doubt.head.number, [doubt])
      else others.push(doubt)
    }
    this.#doubts = doubts
  }

  row (row: StoredRow): void {
    const { number, text, hash } = row
    const expected = this.#before.number + 1
    if (number > expected) this.#faults.add('removed', expected, `${rowsText(expected, number - 1)} missing`)
    if (number < expected) this.#faults.add('reordered', number, `row ${number} comes after row ${this.#before.number}`)
    this.#first ??= number
    this.#rows++
    const follows = linkHex(this.#before.hash, text) === hash
    if (number === expected && !follows) this.#faults.add('altered', number, `row ${number} does not follow from its text and the row before: it, or the hash before it, was changed`)
    this.#content(row)
    this.#anchor(number, hash)
    this.#before = { number, hash }
  }

  end (): VerifyReport {
    const { anchors, doubts, heads } = this.#evidence
    const last = this.#before.number
    const beyond = [...anchors.values()].filter(({ number }) => number > last).sort((a, b) => b.number - a.number)[0]
    if (beyond) this.#faults.add('truncated', last + 1, `${rowsText(last + 1, beyond.number)} missing at the end: the head signed at ${timeOf(beyond)} has ${beyond.number} rows`)
    const vouched = anchors.size > 0 || this.#rows === 0
    const harmless = new Set(vouched ? this.#agreeing : [])
    addFaults(doubts.filter((doubt) => !harmless.has(doubt)), this.#faults)
    if (!vouched) this.#faults.add('no-heads', null, 'there is no signed head by a known key: whether rows are missing at the end, or all were written anew, cannot be said')
    const { list, count, firstBad } = this.#faults
    return {
      ok: count === 0,
      rows: this.#rows,
      firstNumber: this.#first,
      lastNumber: last,
      hash: this.#before.hash,
      heads,
      signedTo: this.#signedTo,
      firstBad,
      faultCount: count,
      faults: list,
      notices: noticesOf([...harmless])
    }
  }

  #content ({ number, id, text, columns }: StoredRow): void {
    const event = parsed(text)
    if (event === null) this.#faults.add('altered', number, `row ${number} holds no event`)
    else if (event['number'] !== number) this.#faults.add('reordered', number, `row ${number} holds what was written as number ${JSON.stringify(event['number'] ?? null)}`)
    else if (event['id'] !== id) this.#faults.add('altered', number, `row ${number} has another event id than its text`)
    else if (columns !== undefined && !saysTheSame(columns, event)) this.#faults.add('altered', number, `row ${number}: a column says something else than the text that was hashed`)
  }

  #anchor (number: number, hash: string): void {
    for (const doubt of this.#doubts.get(number) ?? []) {
      if (doubt.head.hash === hash) this.#agreeing.push(doubt)
    }
    const head = this.#evidence.anchors.get(number)
    if (head === undefined) return
    if (head.hash === hash) this.#signedTo = number
    else this.#faults.add('rewritten', this.#signedTo + 1, `${rowsText(this.#signedTo + 1, number)} not what was signed at ${timeOf(head)}: written anew, or another trail`)
  }
}

const rowsText = (from: number, to: number): string => from === to ? `row ${from} is` : `rows ${from} to ${to} are`

function parsed (text: string): Fields | null {
  try {
    const event = JSON.parse(text) as Fields | null
    return typeof event === 'object' && event !== null ? event : null
  } catch {
    return null
  }
}
