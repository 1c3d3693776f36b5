// A device's side of enrolment over HTTPS (EST, RFC 7030): makes a key and a signing request, shows what entitles it to a certificate (a
// one-time token, the maker's birth certificate, or the current certificate), takes the certificate, and checks it before it counts.
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { Agent, request as httpsRequest } from 'node:https'
import { certificatesOf } from '../certs/pkcs7.ts'
import { createDeviceKeyAndRequest } from '../certs/request.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type Credentials } from './simulator.ts'

export interface EstAddress {
  /** `https://host:port` */
  readonly url: string
  /** PEM of the CAs the server is checked against. */
  readonly ca: string
}

export type FirstCredential = { readonly token: string } | { readonly birth: Credentials }

/** The server has said when to come again. */
export class ComeAgain extends Error {
  readonly afterMs: number

  constructor (afterMs: number) {
    super(`come again in ${afterMs} ms`)
    this.afterMs = afterMs
  }
}

const timeoutMs = 20_000
/** A bundle of a few certificates is some 3 KB. */
const maxAnswerBytes = 65_536

/** The first certificate of device `id`. Rejects with ENROLMENT_REFUSED (asking again changes nothing) or ENROLMENT_UNAVAILABLE. */
export async function enrolByEst (server: EstAddress, id: string, first: FirstCredential, signal: AbortSignal): Promise<Credentials> {
  return 'token' in first
    ? await ask(server, 'simpleenroll', id, signal, { authorization: `Basic ${Buffer.from(`${id}:${first.token}`).toString('base64')}` })
    : await ask(server, 'simpleenroll', id, signal, {}, first.birth)
}

/** A new certificate, for a new key, in place of `current`. */
export async function renewByEst (server: EstAddress, id: string, current: Credentials, signal: AbortSignal): Promise<Credentials> {
  return await ask(server, 'simplereenroll', id, signal, {}, current)
}

async function ask (server: EstAddress, operation: 'simpleenroll' | 'simplereenroll', id: string, signal: AbortSignal, headers: Readonly<Record<string, string>>, show?: Credentials): Promise<Credentials> {
  const { keyPem, requestPem } = await createDeviceKeyAndRequest(id)
  // one connection for both: renewal is rare, a handshake is what it costs
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: server.ca, minVersion: 'TLSv1.2', ...(show && { key: show.keyPem, cert: show.certPem }) })
  try {
    const cas = bundleIn(await exchange(server, agent, 'cacerts', signal))
    const [certificate] = bundleIn(await exchange(server, agent, operation, signal, {
      headers: { 'content-type': 'application/pkcs10', ...headers }, body: requestPem.replace(/-----[^-]+-----/g, '').trim()
    }))
    const issuer = cas.find((ca) => certificate?.checkIssued(ca) === true && certificate.verify(ca.publicKey))
    const names = `URI:urn:uuid:${id}`
    if (certificate === undefined || issuer === undefined || certificate.subjectAltName !== names || !certificate.checkPrivateKey(createPrivateKey(keyPem))) {
      throw new PulsegateError('ENROLMENT_UNAVAILABLE', `${server.url} has answered with a certificate that is not for this device and key`)
    }
    return { keyPem, certPem: certificate.toString() + issuer.toString(), caPem: cas.map((ca) => ca.toString()).join('') }
  } finally {
    agent.destroy()
  }
}

interface Message { readonly headers: Readonly<Record<string, string>>, readonly body: string }

/** The body of a 200. */
async function exchange (server: EstAddress, agent: Agent, operation: string, signal: AbortSignal, message?: Message): Promise<string> {
  const url = new URL(`/.well-known/est/${operation}`, server.url)
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  const { status, retryAfter, body } = await send(url, agent, deadline, message).catch((cause: unknown) => {
    signal.throwIfAborted()
    throw new PulsegateError('ENROLMENT_UNAVAILABLE', `${server.url} cannot be asked`, { cause })
  })
  if (status === 200) return body
  const said = body.split('\n', 1)[0]?.slice(0, 300) ?? ''
  if (status >= 500 || status === 429) {
    throw new PulsegateError('ENROLMENT_UNAVAILABLE', `${server.url} answers ${status}: ${said}`, { cause: new ComeAgain((Number(retryAfter) || 0) * 1_000) })
  }
  throw new PulsegateError('ENROLMENT_REFUSED', `${server.url} answers ${status}: ${said}`)
}

function send (url: URL, agent: Agent, signal: AbortSignal, message?: Message): Promise<{ status: number, retryAfter: string | undefined, body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { ...message?.headers, ...(message && { 'content-length': Buffer.byteLength(message.body) }) }
    const request = httpsRequest(url, { agent, signal, method: message ? 'POST' : 'GET', headers }, (response) => {
      let body = ''
      response.setEncoding('latin1')
      response.on('data', (chunk: string) => {
        body += chunk
        if (body.length > maxAnswerBytes) request.destroy(new Error('the answer is too large'))
      })
      response.on('end', () => { resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body }) })
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(message?.body)
  })
}

function bundleIn (body: string): X509Certificate[] {
  try {
    return certificatesOf(Buffer.from(body, 'base64')).map((der) => new X509Certificate(der))
  } catch (cause) {
    throw new PulsegateError('ENROLMENT_UNAVAILABLE', 'the EST server has answered with something that is not certificates', { cause })
  }
}
