// Keys that sign heads of the chain, pure: their ids, and which of them are to be trusted. A key comes into the world by itself (the first
// of a folder) or in succession of another; then a statement says so that both have signed, and trust in one is trust in the other.
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { PulsegateError } from '../../runtime/errors.ts'
import { canonicalJson } from './canonical.ts'

/** A line of keys.jsonl. */
export interface KeyRecord {
  readonly key: string
  /** SubjectPublicKeyInfo, DER, base64. */
  readonly publicKey: string
  readonly atMs: number
  /** The id of the key before, whose signature this has, and its own. */
  readonly previous?: string
  readonly signedByPrevious?: string
  readonly signedByItself?: string
}

const keyTag = 'pulsegate audit key v1\n'

/** Hex of the first 16 bytes of SHA-256 over the public key. */
export function keyIdOf (publicKey: KeyObject): string {
  return createHash('sha256').update(derOf(publicKey)).digest('hex').slice(0, 32)
}

function derOf (publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' })
}

/** The record of a folder's first key. */
export function firstRecord (publicKey: KeyObject, atMs: number): KeyRecord {
  return { key: keyIdOf(publicKey), publicKey: derOf(publicKey).toString('base64'), atMs }
}

/** The record of a key that takes over from `before`. */
export function successorRecord (next: KeyObject, before: KeyObject, atMs: number): KeyRecord {
  const record = { ...firstRecord(createPublicKey(next), atMs), previous: keyIdOf(createPublicKey(before)) }
  const statement = statementOf(record)
  return { ...record, signedByPrevious: sign(null, statement, before).toString('base64'), signedByItself: sign(null, statement, next).toString('base64') }
}

function statementOf ({ key, publicKey, atMs, previous }: KeyRecord): Buffer {
  return Buffer.from(keyTag + canonicalJson({ key, publicKey, atMs, previous }))
}

/** The public key in a PEM text. Error AUDIT_KEY_INVALID names `path`. */
export function parsePublicKey (pem: string, path: string): KeyObject {
  try {
    const key = createPublicKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {}
  throw new PulsegateError('AUDIT_KEY_INVALID', `${path} holds no Ed25519 public key in PEM`)
}

/**
 * The keys to trust, by id: `anchors`, and what `records` connect them with by statements that both sides signed. Records that contradict
 * themselves are named in `faults`.
 */
export function trustedKeys (anchors: readonly KeyObject[], records: readonly KeyRecord[]): { keys: Map<string, KeyObject>, faults: string[] } {
  const keys = new Map(anchors.map((key) => [keyIdOf(key), key]))
  const faults: string[] = []
  const all = new Map<string, KeyObject>()
  const good = records.filter((record) => {
    const key = keyOf(record)
    if (key === null) faults.push(`the record of key ${record.key} does not hold that key`)
    else all.set(record.key, key)
    return key !== null
  })
  const links = good.filter((record) => record.previous !== undefined && all.has(record.previous)).filter((record) => {
    if (isSigned(record, all)) return true
    faults.push(`key ${record.key} says it succeeds ${record.previous}, without the signatures of both`)
    return false
  })
  // from the anchors along the links, in both directions, until nothing is added
  for (let before = -1; before !== keys.size;) {
    before = keys.size
    for (const { key, previous = '' } of links) {
      if (!keys.has(key) && !keys.has(previous)) continue
      for (const id of [key, previous]) {
        const found = all.get(id)
        if (found) keys.set(id, found)
      }
    }
  }
  return { keys, faults }
}

function keyOf (record: KeyRecord): KeyObject | null {
  try {
    const key = createPublicKey({ key: Buffer.from(record.publicKey, 'base64'), format: 'der', type: 'spki' })
    return key.asymmetricKeyType === 'ed25519' && keyIdOf(key) === record.key ? key : null
  } catch {
    return null
  }
}

function isSigned (record: KeyRecord, all: ReadonlyMap<string, KeyObject>): boolean {
  const statement = statementOf(record)
  const by = (id: string | undefined, signature: string | undefined): boolean => {
    const key = all.get(id ?? '')
    return key !== undefined && signature !== undefined && verify(null, statement, key, Buffer.from(signature, 'base64'))
  }
  return by(record.previous, record.signedByPrevious) && by(record.key, record.signedByItself)
}

/** The records in the text of keys.jsonl; lines that are none are counted. */
export function parseKeyRecords (text: string): { records: KeyRecord[], bad: number } {
  const records = new Map<string, KeyRecord>()
  let bad = 0
  for (const line of text.split('\n')) {
    if (line === '') continue
    const record = parseKeyRecord(line)
    if (record === null) bad++
    else if (!records.has(record.key)) records.set(record.key, record) // two processes may have told of the first key
  }
  return { records: [...records.values()], bad }
}

function parseKeyRecord (line: string): KeyRecord | null {
  try {
    const record = JSON.parse(line) as Partial<KeyRecord> | null
    return typeof record?.key === 'string' && typeof record.publicKey === 'string' && typeof record.atMs === 'number' ? record as KeyRecord : null
  } catch {
    return null
  }
}
