// What the EST server answers, as plain values: takes certificates or a refusal, gives status, headers and body. Pure.
import { certsOnly } from '../pkcs7.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Why a request is refused: `reason` for audit and metrics, `text` for the person who reads the client's log. Never a token, never a stack. */
export interface RefusalReason {
  readonly status: number
  readonly text: string
}

export const refusals = {
  'not-found': { status: 404, text: 'There is nothing at this path. EST is at /.well-known/est/cacerts, /csrattrs, /simpleenroll and /simplereenroll.' },
  label: { status: 404, text: 'This server has one CA and no labels: leave the label out of /.well-known/est/<label>/…' },
  method: { status: 405, text: 'This path takes another method; see the Allow header.' },
  'media-type': { status: 415, text: 'Send the request as Content-Type: application/pkcs10, its body base64 of the DER.' },
  'too-large': { status: 413, text: 'The body is larger than any signing request.' },
  'no-credentials': { status: 401, text: 'First enrolment needs a one-time token (HTTP Basic: user = device id, password = token; or Bearer), or the maker\'s certificate in the TLS handshake.' },
  'no-certificate': { status: 401, text: 'Renewal needs the device\'s current certificate in the TLS handshake.' },
  authorization: { status: 401, text: 'The Authorization header is neither Basic with device id and token nor Bearer with a token.' },
  token: { status: 401, text: 'The token does not enrol this device: it is unknown, used, revoked, past its end, or made for another device. Ask for a new one.' },
  certificate: { status: 403, text: 'The certificate in the TLS handshake does not count here: it is not from this authority or a maker it knows, has ended, is revoked, or does not name exactly one device.' },
  'wrong-operation': { status: 403, text: 'This certificate is not for this operation: the maker\'s is for simpleenroll, the device\'s own is for simplereenroll.' },
  'id-taken': { status: 403, text: 'This device id has a certificate of this authority already. Renew with it, or ask for a token made for this id.' },
  revoked: { status: 403, text: 'The certificates of this device were revoked, and the maker\'s certificate does not bring them back. Ask for a token.' },
  'may-not-enrol': { status: 403, text: 'The registry does not let this device enrol.' },
  'no-device-id': { status: 400, text: 'The user name must be the device id: a UUID such as 6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5.' },
  request: { status: 400, text: 'The signing request is refused' },
  'same-key': { status: 400, text: 'The signing request carries the key of the certificate that was shown. Make a new key for each certificate.' },
  rate: { status: 429, text: 'Too many requests from this address.' },
  busy: { status: 503, text: 'Too many certificates are being signed at this moment.' },
  unavailable: { status: 503, text: 'The authority or the registry cannot be asked now.' },
  stopping: { status: 503, text: 'The server is stopping.' },
  internal: { status: 500, text: 'The server failed; its log says why.' }
} as const satisfies Record<string, RefusalReason>

export type RefusalName = keyof typeof refusals

/** Thrown on the way of a request; `detail` is added to the text and must be fit for a stranger, `audited` is for our side only. */
export class Refusal extends Error {
  readonly reason: RefusalName
  readonly detail: string | undefined
  readonly audited: string
  readonly headers: Readonly<Record<string, string>>

  constructor (reason: RefusalName, more: { detail?: string, audited?: string, headers?: Readonly<Record<string, string>>, cause?: unknown } = {}) {
    super(reason, { cause: more.cause })
    this.reason = reason
    this.detail = more.detail
    this.audited = more.audited ?? reason
    this.headers = more.headers ?? {}
  }
}

const challenge = 'Basic realm="pulsegate enrolment", Bearer realm="pulsegate enrolment"'

export function refusalAnswer ({ reason, detail, headers }: Refusal, requestId: string): Answer {
  const { status, text } = refusals[reason]
  const body = detail === undefined ? text : `${text.replace(/\.$/, '')}: ${detail}.`
  return {
    status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      ...(status === 401 && { 'www-authenticate': challenge }),
      ...((status === 429 || status === 503) && { 'retry-after': '5' }),
      ...headers
    },
    body: `${body}\n(${reason}, request ${requestId})\n`
  }
}

/** `/cacerts`: RFC 7030, 4.1.3. */
export function bundleAnswer (certificates: readonly Uint8Array[]): Answer {
  return base64Answer('application/pkcs7-mime', certsOnly(certificates))
}

/** `/simpleenroll`, `/simplereenroll`: RFC 7030, 4.2.3: the one certificate that was issued. */
export function issuedAnswer (certificate: Uint8Array): Answer {
  return base64Answer('application/pkcs7-mime; smime-type=certs-only', certsOnly([certificate]))
}

/**
 * `/csrattrs`: RFC 7030, 4.5.2: SEQUENCE { { id-ecPublicKey, { prime256v1 } }, ecdsa-with-SHA256 }: the key we take, and how to sign with
 * it. No challengePassword: proof of possession is not linked to the TLS session (tls-unique is not defined in TLS 1.3).
 */
export function attributesAnswer (): Answer {
  return base64Answer('application/csrattrs', Buffer.from('3021301506072a8648ce3d0201310a06082a8648ce3d03010706082a8648ce3d040302', 'hex'))
}

/** RFC 8951, 3.1: the body is base64 in any case; the header that RFC 7030 had is sent for clients that still look for it. */
function base64Answer (type: string, der: Buffer): Answer {
  const lines = der.toString('base64').match(/.{1,76}/g) ?? []
  return { status: 200, headers: { 'content-type': type, 'content-transfer-encoding': 'base64' }, body: `${lines.join('\r\n')}\r\n` }
}
