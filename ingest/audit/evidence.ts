// What the signed heads say, pure: takes the heads of table and file and the keys that are trusted, gives the numbers whose hash is vouched
// for, and whatever is wrong with the heads themselves.
import { type KeyObject } from 'node:crypto'
import { type Faults } from './faults.ts'
import { headName, isSignedHead, parseHead, type SignedHead } from './heads.ts'

export interface Heads {
  readonly table: readonly SignedHead[]
  /** Null: there is no file to compare with. */
  readonly file: readonly SignedHead[] | null
}

export interface Evidence {
  /** Row number → hash in hex, as signed by a trusted key. */
  readonly anchors: ReadonlyMap<number, SignedHead>
  readonly heads: number
}

/** `ownKeys`: keys that sign into this very file, so that what the table has of them must be in it. */
export function judgeHeads ({ table, file }: Heads, keys: ReadonlyMap<string, KeyObject>, ownKeys: ReadonlySet<string>, faults: Faults): Evidence {
  const anchors = new Map<number, SignedHead>()
  const seen = new Set<string>()
  const unknown = new Set<string>()
  for (const [place, heads] of [['the file', file ?? []], ['the table', table]] as const) {
    for (const head of heads) {
      const name = headName(head)
      if (place === 'the table' && file !== null && ownKeys.has(head.key) && !seen.has(name)) {
        faults.add('heads-missing', null, `the file of heads lacks the one of row ${head.number} at ${timeOf(head)}, which the table has: a line was removed or altered`)
      }
      if (seen.has(name)) continue
      seen.add(name)
      judge(head, place)
    }
  }
  return { anchors, heads: seen.size }

  function judge (head: SignedHead, place: string): void {
    const key = keys.get(head.key)
    if (key === undefined) {
      if (!unknown.has(head.key)) faults.add('unknown-key', null, `${place} has heads signed by key ${head.key}, which is not known here; when it is another machine's, give its public key with --public-key`)
      unknown.add(head.key)
    } else if (!isSignedHead(head, key)) {
      faults.add('bad-signature', null, `the head of row ${head.number} at ${timeOf(head)} in ${place} is not what key ${head.key} signed`)
    } else {
      const other = anchors.get(head.number)
      if (other === undefined) anchors.set(head.number, head)
      else if (other.hash !== head.hash) faults.add('rewritten', head.number, `two signed heads of row ${head.number} have different hashes (${timeOf(other)}, ${timeOf(head)})`)
    }
  }
}

export function timeOf ({ atMs }: { readonly atMs: number }): string {
  return new Date(atMs).toISOString()
}

/** The heads in the text of heads.jsonl. A line that a crash tore is passed over: it was never vouched with. */
export function parseHeads (text: string, faults: Faults): SignedHead[] {
  return text.split('\n').flatMap((line, index) => {
    const head = parseHead(line)
    if (head === null && line.endsWith('}')) faults.add('bad-signature', null, `line ${index + 1} of the file of heads is no signed head`)
    return head ?? []
  })
}
