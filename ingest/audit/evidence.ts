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
  /** Row number → head, as signed by a trusted key. */
  readonly anchors: ReadonlyMap<number, SignedHead>
  /** Heads that vouch for nothing, and that any login which may append could have put there: faults only when they contradict the rows. */
  readonly doubts: readonly Doubt[]
  readonly heads: number
}

export interface Doubt {
  readonly head: SignedHead
  readonly kind: 'unknown-key' | 'bad-signature'
  /** For a person; the same for all heads of one key. */
  readonly what: string
}

/** `ownKeys`: keys that sign into this very file, so that what the table has of them must be in it. */
export function judgeHeads ({ table, file }: Heads, keys: ReadonlyMap<string, KeyObject>, ownKeys: ReadonlySet<string>, faults: Faults): Evidence {
  const anchors = new Map<number, SignedHead>()
  const doubts: Doubt[] = []
  const seen = new Set<string>()
  const inFile = unseen(file ?? []).map(judge).filter((doubt) => doubt !== null)
  addFaults(inFile, faults) // nobody but this machine's own processes writes there
  for (const head of unseen(table)) {
    const doubt = judge(head)
    if (doubt !== null) doubts.push(doubt)
    else if (file !== null && ownKeys.has(head.key)) faults.add('heads-missing', null, `the file of heads lacks the one of row ${head.number} at ${timeOf(head)}, which the table has: a line was removed or altered`)
  }
  return { anchors, doubts, heads: seen.size }

  function unseen (heads: readonly SignedHead[]): SignedHead[] {
    return heads.filter((head) => {
      const name = headName(head)
      const known = seen.has(name)
      seen.add(name)
      return !known
    })
  }

  function judge (head: SignedHead): Doubt | null {
    const key = keys.get(head.key)
    if (key === undefined) return { head, kind: 'unknown-key', what: `signed by key ${head.key}, which is not known here; when it is another machine's, put its public key into trusted/ or give it with --public-key` }
    if (!isSignedHead(head, key)) return { head, kind: 'bad-signature', what: `said to be of key ${head.key}, which did not sign it so` }
    const other = anchors.get(head.number)
    if (other === undefined) anchors.set(head.number, head)
    else if (other.hash !== head.hash) faults.add('rewritten', head.number, `two signed heads of row ${head.number} have different hashes (${timeOf(other)}, ${timeOf(head)})`)
    return null
  }
}

/** One fault for each head that was not signed so, one for each key that is not known. */
export function addFaults (doubts: readonly Doubt[], faults: Faults): void {
  const unknown = new Set<string>()
  for (const { kind, what, head } of doubts) {
    if (kind === 'bad-signature') faults.add(kind, null, `the head of row ${head.number} at ${timeOf(head)} is ${what}`)
    else if (!unknown.has(what)) faults.add(kind, null, `there are heads ${what}`)
    unknown.add(what)
  }
}

/** What a person should know of heads that vouch for nothing and do no harm. */
export function noticesOf (doubts: readonly Doubt[]): string[] {
  const counts = new Map<string, number>()
  for (const { what } of doubts) counts.set(what, (counts.get(what) ?? 0) + 1)
  return [...counts].map(([what, count]) => `${count} ${count === 1 ? 'head' : 'heads'} ${what}`)
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
