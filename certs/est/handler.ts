// One request to the EST server: rate, route, peer, enrolment, answer, and what is told of it. Takes node's request, gives an Answer;
// never fails for what a client sent.
import { randomUUID } from 'node:crypto'
import { type IncomingMessage, type ServerResponse } from 'node:http'
import { type TLSSocket } from 'node:tls'
import { drainBody } from '../../runtime/drain-body.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { type Logger } from '../../runtime/observability.ts'
import { isDeviceId } from '../profile.ts'
import { type Answer, attributesAnswer, bundleAnswer, issuedAnswer, Refusal, refusalAnswer } from './answer.ts'
import { readBody, requestPemOf } from './body.ts'
import { deviceIdIn } from './device-id-in.ts'
import { enrol, type EnrolParts } from './enrol.ts'
import { type Material } from './material.ts'
import { payerOf } from './payer.ts'
import { peerOf, provenIdOf, type Peer } from './peer.ts'
import { type CallerRate } from './rate.ts'
import { type Caller, type Recorder } from './record.ts'
import { operationOf } from './routes.ts'

export interface HandlerParts {
  /** As last read. */
  readonly material: () => Material
  readonly stopping: () => boolean
  readonly enrolment: EnrolParts
  /** By address. */
  readonly rate: CallerRate
  /** By device or certificate, see payer.ts. */
  readonly deviceRate: CallerRate
  readonly recorder: Recorder
  readonly log: Logger
}

type Signing = 'simpleenroll' | 'simplereenroll'

/** For 'request' and 'checkContinue' of an HTTPS server. */
export function createHandler (parts: HandlerParts): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const socket = request.socket as TLSSocket
    const caller: Caller = { requestId: randomUUID(), address: socket.remoteAddress ?? 'unknown', certificate: socket.getPeerX509Certificate() }
    request.on('error', () => {}) // a body that breaks off
    response.on('error', () => {})
    answerOf(parts, { request, response }, caller).catch((err: unknown) => {
      parts.log.error({ err, requestId: caller.requestId }, 'enrolment failed')
      return refusalAnswer(new Refusal('internal'), caller.requestId)
    }).then((answer) => send(request, response, answer, parts.stopping())).catch(() => { response.destroy() })
  }
}

interface Exchange { readonly request: IncomingMessage, readonly response: ServerResponse }

/** The bucket a request is taken from. */
interface Bucket { readonly rate: CallerRate, readonly name: string }

function bucketOf ({ rate, deviceRate }: HandlerParts, peer: Peer, { address }: Caller): Bucket {
  const { by, name } = payerOf(peer, address, Date.now())
  return { rate: by === 'device' ? deviceRate : rate, name }
}

async function answerOf (parts: HandlerParts, exchange: Exchange, stranger: Caller): Promise<Answer> {
  const { request } = exchange
  const peer = peerOfSocket(request.socket as TLSSocket, stranger, parts.material())
  const caller: Caller = { ...stranger, provenId: provenIdOf(peer) }
  const bucket = bucketOf(parts, peer, caller)
  let operation = 'none'
  try {
    limitRate(bucket)
    const wanted = operation = operationOf(request.method ?? '', request.url ?? '', request.headers['content-type'])
    const answer = wanted === 'cacerts'
      ? bundleAnswer(parts.material().bundle)
      : wanted === 'csrattrs'
        ? attributesAnswer()
        : await sign(parts, exchange, caller, { operation: wanted, peer })
    parts.recorder.answered(operation, answer.status)
    return answer
  } catch (error) {
    const refusal = refusalOf(error, request)
    if (refusal === null) throw error
    const answer = refusalAnswer(refusal, caller.requestId)
    parts.recorder.answered(operation, answer.status)
    tellRefusal(parts, bucket, request, caller, operation, refusal)
    return answer
  }
}

async function sign (parts: HandlerParts, { request, response }: Exchange, caller: Caller, { operation, peer }: { operation: Signing, peer: Peer }): Promise<Answer> {
  if (parts.stopping()) throw new Refusal('stopping')
  const requestPem = requestPemOf(await readBody(request, response))
  const enrolled = await enrol(parts.enrolment, { operation, peer, authorization: request.headers.authorization, requestPem })
  parts.recorder.enrolled(caller, enrolled)
  parts.log.info({ device: enrolled.id, by: enrolled.by, serial: enrolled.serial }, 'certificate issued')
  return issuedAnswer(enrolled.der)
}

function peerOfSocket (socket: TLSSocket, { certificate }: Caller, { trust }: Material): Peer {
  // a code such as CERT_REVOKED, whatever the types say
  const error = socket.authorizationError as unknown as string | Error | null | undefined
  return peerOf({
    certificate,
    authorized: socket.authorized,
    authorizationError: error instanceof Error ? error.message : error ?? undefined,
    resumed: socket.isSessionReused()
  }, trust, Date.now())
}

function limitRate ({ rate, name }: Bucket): void {
  const taken = rate.take(name, performance.now())
  if (!taken.ok) throw new Refusal('rate', { audited: taken.first ? 'rate' : 'rate-again', headers: { 'retry-after': String(taken.retryAfterS) } })
}

/** Null for what is our own fault. */
function refusalOf (error: unknown, request: IncomingMessage): Refusal | null {
  if (error instanceof Refusal) return error
  if (request.destroyed && !request.complete) return new Refusal('request', { audited: 'broken-off' })
  // the authority's life is over, its files are damaged: nothing a device can mend, and it should come again
  return error instanceof PulsegateError ? new Refusal('unavailable', { audited: error.code, cause: error }) : null
}

const notTheCallersFault: ReadonlySet<string> = new Set(['rate', 'busy', 'unavailable', 'stopping'])

function tellRefusal ({ recorder, log }: HandlerParts, { rate, name }: Bucket, request: IncomingMessage, caller: Caller, operation: string, refusal: Refusal): void {
  const { reason, audited, cause } = refusal
  if (!notTheCallersFault.has(reason)) rate.refused(name, performance.now())
  if (reason === 'unavailable') log.warn({ err: cause, requestId: caller.requestId }, 'enrolment is not possible now')
  // a flood is told of once, and a path that is not there not at all: the metrics count both
  const concerns = operation === 'simpleenroll' || operation === 'simplereenroll'
  if (audited === 'rate' || (concerns && audited !== 'rate-again')) recorder.refused(caller, operation, audited, claimedIdOf(request, caller))
}

/** Which device the caller says it is, for the audit trail; null when it says nothing that could be. */
function claimedIdOf ({ headers: { authorization } }: IncomingMessage, { certificate }: Caller): string | null {
  const [, value = ''] = /^basic ([A-Za-z0-9+/]+=*)$/i.exec(authorization ?? '') ?? []
  const user = Buffer.from(value, 'base64').toString('utf8').split(':', 1)[0]?.toLowerCase() ?? ''
  return isDeviceId(user) ? user : deviceIdIn(certificate?.subjectAltName)
}

async function send (request: IncomingMessage, response: ServerResponse, { status, headers, body }: Answer, stopping: boolean): Promise<void> {
  const whole = request.complete || request.method === 'GET' || request.method === 'HEAD'
  response.writeHead(status, {
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(body),
    ...headers,
    // a body that was not read to its end cannot be told from the next request
    ...((stopping || !whole) && { connection: 'close' })
  })
  response.write(body)
  // whoever waits for our word before it sends a body has it now
  if (!whole && request.headers.expect === undefined) await drainBody(request)
  response.end()
}
