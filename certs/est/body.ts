// The body of an enrolment request: read within a bound, base64 decoded whatever a Content-Transfer-Encoding header says (RFC 8951, 3.1).
import { type IncomingMessage, type ServerResponse } from 'node:http'
import { Refusal } from './answer.ts'

/** A P-256 request is about 500 bytes of base64; the largest that `publicKeyOfRequest` looks at is 16 KiB of PEM. */
export const maxBodyBytes = 16_384

/** Throws Refusal (413), with the rest unread; rejects when the connection ends first. */
export async function readBody (request: IncomingMessage, response: Pick<ServerResponse, 'writeContinue'>): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw new Refusal('too-large')
  if (request.headers.expect !== undefined) response.writeContinue()
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBodyBytes) throw new Refusal('too-large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('latin1')
}

/** The PEM of a base64 body. Throws Refusal (400). Whether it is a request at all is for the parser to say. */
export function requestPemOf (body: string): string {
  const text = body.replace(/[ \t\r\n]+/g, '')
  if (text.startsWith('-----')) throw new Refusal('request', { detail: 'it is PEM; send the base64 alone, without the BEGIN and END lines' })
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw new Refusal('request', { detail: 'it is not base64' })
  return `-----BEGIN CERTIFICATE REQUEST-----\n${(text.match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE REQUEST-----\n`
}
