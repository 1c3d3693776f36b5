// What becomes of a request to the administration address. Order of things: who is it → may they ask now → what do they ask → may they do
// that → it is written down → it is done. What cannot be written down is not done. Answers are JSON; an error carries a code and what to
// do, never a stack.
import { randomUUID } from 'node:crypto'
import { type IncomingMessage, type ServerResponse } from 'node:http'
import { type TLSSocket } from 'node:tls'
import { type AuditLog } from '../runtime/audit.ts'
import { drainBody } from '../runtime/drain-body.ts'
import { type Observability } from '../runtime/observability.ts'
import { answerTo, type Answer } from './answer.ts'
import { readJson } from './body.ts'
import { isGood, operatorOf, type Operator, type OperatorTrust } from './operator.ts'
import { RateLimiter } from './rate.ts'
import { takePurpose } from './purpose.ts'
import { mayDo } from './rights.ts'
import { matchRoute, type AdminRoute } from './routes.ts'
import { teller, type Teller } from './teller.ts'

export interface AdministrationOptions {
  readonly routes: readonly AdminRoute[]
  readonly audit: AuditLog
  readonly observability: Observability
  /** Of each operator; default 10 a second, 50 at once. */
  readonly rate?: { readonly perSecond: number, readonly burst: number }
}

/** A request that the operator may make. */
interface Permitted {
  readonly operator: Operator
  readonly isGoodNow: () => boolean
  readonly route: AdminRoute
  readonly params: Record<string, string>
  readonly query: URLSearchParams
  readonly tell: Teller
}

export class Administration {
  /** Replaced when it was read again. */
  trust: OperatorTrust
  readonly #options: AdministrationOptions
  readonly #rate: RateLimiter
  readonly #requests

  constructor (options: AdministrationOptions, trust: OperatorTrust) {
    this.trust = trust
    this.#options = options
    this.#rate = new RateLimiter(options.rate ?? { perSecond: 10, burst: 50 })
    this.#requests = options.observability.meter.createCounter('pulsegate_admin_requests', { description: 'Requests to the administration address by status' })
  }

  refusedHandshake (reason: string, address: string | undefined): void {
    this.#requests.add(1, { status: 'handshake' })
    this.#options.audit.record({
      type: 'admin', subtype: 'request', action: 'E', outcome: 'serious-failure', reason: `handshake: ${reason}`, agent: { id: 'unknown', role: 'operator', ...(address !== undefined && { address }) }
    })
  }

  async serve (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = randomUUID()
    const answer = await this.#answer(request, requestId)
    this.#requests.add(1, { status: String(answer.status) })
    const text = `${JSON.stringify(answer.body)}\n`
    response.writeHead(answer.status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      'x-request-id': requestId,
      ...answer.headers,
      // what was not read of a body must not be taken for the next request
      ...(!request.complete && { connection: 'close' })
    })
    response.write(text)
    await drainBody(request)
    response.end()
  }

  async #answer (request: IncomingMessage, requestId: string): Promise<Answer> {
    const socket = request.socket as TLSSocket
    const certificate = socket.getPeerX509Certificate()
    const operator = operatorOf(certificate)
    const isGoodNow = (): boolean => certificate !== undefined && isGood(certificate, this.trust, Date.now())
    const method = request.method ?? ''
    const { pathname: path, searchParams: query } = urlOf(request)
    const tell = teller(this.#options.audit, operator, socket.remoteAddress, requestId, method)
    if (operator === null || !isGoodNow()) {
      tell.refused('certificate', path)
      return answerTo.certificate()
    }
    const waitMs = this.#rate.take(operator.name, performance.now())
    if (waitMs > 0) {
      tell.refused('rate', path)
      return answerTo.refused(429, 'RATE', 'Too many requests.', { 'retry-after': String(Math.ceil(waitMs / 1_000)) })
    }
    const match = matchRoute(this.#options.routes, method, path)
    if (!match.found) {
      tell.refused('no-such-route', '(unknown)')
      return match.allowed.length > 0
        ? answerTo.refused(405, 'METHOD', `Use ${match.allowed.join(' or ')}.`, { allow: match.allowed.join(', ') })
        : answerTo.refused(404, 'PATH', 'There is nothing here.')
    }
    const { route, params } = match
    if (!mayDo(operator.role, route.right)) {
      tell.refused('right', route.path, route, params)
      return answerTo.refused(403, 'RIGHT', `The role ${operator.role} does not have the right ${route.right}.`)
    }
    return this.#perform(request, { operator, isGoodNow, route, params, query, tell })
  }

  async #perform (request: IncomingMessage, { operator, isGoodNow, route, params, query, tell }: Permitted): Promise<Answer> {
    let why: string | undefined
    try {
      const { body, purpose } = takePurpose(await readJson(request))
      why = purpose
      if (!isGoodNow()) { // a body may take seconds
        tell.refused('certificate', route.path, route, params)
        return answerTo.certificate()
      }
      await tell.begun(route, params, purpose)
      if (!isGoodNow()) { // and so may the writing down
        const answer = answerTo.certificate()
        tell.failed(route, params, answer, purpose)
        return answer
      }
      return answerTo.done(await route.handle({ operator, agent: tell.agent, params, query, body, purpose }))
    } catch (error) {
      const answer = answerTo.failed(error)
      tell.failed(route, params, answer, why)
      if (answer.status === 500) this.#options.observability.log.error({ err: error, route: route.path }, 'a request to the administration address failed')
      return answer
    }
  }
}

/** What is no URL asks for what is not there. */
function urlOf ({ url = '' }: IncomingMessage): URL {
  return new URL(URL.canParse(url, base) ? url : '/', base)
}

const base = 'https://admin'
