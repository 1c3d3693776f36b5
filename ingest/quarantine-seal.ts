// The one place where a payload in quarantine is sealed and opened. Takes rows and data keys. What a box is bound to: tenant, publisher,
// source, boot, seq, kind, reason and the keyed digest of its content, so that it opens in its own row only. A row whose header could not
// be read when it was sealed may get one later (a replay fills it in), so its box is bound without it; the version byte says which.
//
// The digest by which repeats are found is keyed: a plain hash of a short message could be guessed from.
import { createHmac, type KeyObject } from 'node:crypto'
import { PulsegateError } from '../runtime/errors.ts'
import { bind, open, seal } from './keys/seal.ts'
import { type DataKey } from './keys/data-keys.ts'

const version = { withHeader: 1, withoutHeader: 2 } as const

/** What of a row its payload is bound to. */
export interface Bound {
  readonly publisher: string
  readonly source: string | null
  readonly boot: string | null
  readonly seq: string | null
  readonly kind: string
  readonly reason: string
  readonly digest: Buffer
}

/** HMAC-SHA-256 of a message: the same for the same bytes of the same publisher and kind, and for nobody else. */
export function keyedDigest (key: KeyObject, { publisher, kind, payload }: { publisher: string, kind: string, payload: Uint8Array }): Buffer {
  return createHmac('sha256', key).update(bind(['pulsegate quarantine', publisher, kind])).update(payload).digest()
}

export function sealPayload ({ key, tenant }: DataKey, row: Bound, payload: Uint8Array): Buffer {
  const readable = row.source !== null && row.boot !== null && row.seq !== null
  return seal(key, readable ? version.withHeader : version.withoutHeader, payload, boundTo(row, tenant, readable))
}

/** Error SEALED_DATA_DAMAGED. */
export function openPayload ({ key, tenant }: DataKey, row: Bound, box: Buffer): Buffer {
  const readable = box[0] === version.withHeader
  if (!readable && box[0] !== version.withoutHeader) throw new PulsegateError('SEALED_DATA_DAMAGED', 'the payload is sealed in a way that this version does not know')
  return open(key, box, boundTo(row, tenant, readable))
}

function boundTo ({ publisher, source, boot, seq, kind, reason, digest }: Bound, tenant: string, readable: boolean): Buffer {
  const header = readable ? [source, boot, seq] : [null, null, null]
  return bind(['pulsegate quarantine', tenant, publisher, ...header, kind, reason, digest.toString('hex')])
}
