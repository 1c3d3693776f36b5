// What can be wrong with an audit trail, one word per kind, and a list of what was found that stays short however much it is.

export type FaultKind =
  /** A row does not follow from its text and the row before, or a column says something else than the text. */
  | 'altered'
  /** Numbers are missing. */
  | 'removed'
  /** A row holds what was written under another number. */
  | 'reordered'
  /** The rows agree with one another, but not with a signed head. */
  | 'rewritten'
  /** A signed head knows of more rows than there are. */
  | 'truncated'
  /** A head is signed by a key that is not known here. */
  | 'unknown-key'
  /** A head, or the record of a key, is not what was signed. */
  | 'bad-signature'
  /** The file lacks heads that the table has, or an export some that it was made with. */
  | 'heads-missing'
  /** There are rows and no signed head, so that nothing can be said of their end. */
  | 'no-heads'

export interface Fault {
  readonly kind: FaultKind
  /** The first row concerned; null when it concerns no row. */
  readonly number: number | null
  /** For a person. */
  readonly what: string
}

const kept = 50

export class Faults {
  readonly list: Fault[] = []
  count = 0
  firstBad: number | null = null

  add (kind: FaultKind, number: number | null, what: string): void {
    this.count++
    if (number !== null && (this.firstBad === null || number < this.firstBad)) this.firstBad = number
    if (this.list.length < kept) this.list.push({ kind, number, what })
  }
}
