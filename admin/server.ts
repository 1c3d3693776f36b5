// The administration address: HTTPS on a port of its own, for people with a certificate of the operators' authority. Order of things for
// each request: who is it → may they ask now → what do they ask → may they do that → it is written down → it is done. What cannot be
// written down is not done. Answers are JSON; an error carries a code and what to do, never a stack.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer, type Server, type ServerOptions } from 'node:https'
import { type AddressInfo } from 'node:net'
import { type TLSSocket } from 'node:tls'
import { type AuditLog } from '../runtime/audit.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type Observability } from '../runtime/observability.ts'
import { tlsProfile } from '../runtime/tls-profile.ts'
import { answerTo, type Answer } from './answer.ts'
import { readJson } from './body.ts'
import { operatorOf, type Operator } from './operator.ts'
import { RateLimiter } from './rate.ts'
import { mayDo } from './rights.ts'
import { matchRoute, type AdminRoute } from './routes.ts'
import { teller, type Teller } from './teller.ts'

export interface AdminTls {
  readonly key: string
  readonly cert: string
  /** The operators' authority alone: a device's certificate must not pass. */
  readonly ca: readonly string[]
  readonly crl: readonly string[]
}

export interface AdminServerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly tls: AdminTls
  readonly routes: readonly AdminRoute[]
  readonly audit: AuditLog
  readonly observability: Observability
  /** Of each operator; default 10 a second, 50 at once. */
  readonly rate?: { readonly perSecond: number, readonly burst: number }
}

export interface AdminServer {
  readonly address: { readonly host: string, readonly port: number }
  /** Takes new key, certificates and lists; connections that are open end, so that every later request is verified by them. */
  replace (tls: AdminTls): void
  close (): Promise<void>
}

/** Starts listening. Throws PORT_UNAVAILABLE. */
export async function startAdminServer (options: AdminServerOptions): Promise<AdminServer> {
  const { host, port } = options
  const server = createServer({ ...secure(options.tls), ...bounds })
  const admin = new Administration(options)
  server.maxConnections = 100
  server.on('request', (request: IncomingMessage, response: ServerResponse) => { admin.serve(request, response).catch(() => response.destroy()) })
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => { admin.refusedHandshake(error, socket) })
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new PulsegateError('PORT_UNAVAILABLE', `administration cannot listen on ${host}:${port} (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`, { cause })
  }
  server.on('error', (error) => { options.observability.log.error({ err: error }, 'administration address') })
  return {
    address: { host, port: (server.address() as AddressInfo).port },
    replace (tls) {
      server.setSecureContext(secure(tls))
      server.closeAllConnections()
    },
    close: () => closeServer(server)
  }
}

function secure (tls: AdminTls): ServerOptions {
  return {
    key: tls.key,
    cert: tls.cert,
    ca: [...tls.ca],
    crl: [...tls.crl],
    requestCert: true,
    rejectUnauthorized: true,
    ...tlsProfile({ resumption: false }) // a resumed session would skip the look at certificate and list
  }
}

const bounds: ServerOptions = { handshakeTimeout: 5_000, headersTimeout: 5_000, requestTimeout: 10_000, maxHeaderSize: 8_192, keepAliveTimeout: 5_000 }

async function closeServer (server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => { server.close(() => { resolve() }) })
  server.closeIdleConnections()
  const cut = setTimeout(() => { server.closeAllConnections() }, 2_000)
  await closed
  clearTimeout(cut)
}

class Administration {
  readonly #options: AdminServerOptions
  readonly #rate: RateLimiter
  readonly #requests

  constructor (options: AdminServerOptions) {
    this.#options = options
    this.#rate = new RateLimiter(options.rate ?? { perSecond: 10, burst: 50 })
    this.#requests = options.observability.meter.createCounter('pulsegate_admin_requests', { description: 'Requests to the administration address by status' })
  }

  refusedHandshake (error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const reason = String(socket.authorizationError ?? error.code ?? 'unknown')
    this.#requests.add(1, { status: 'handshake' })
    this.#options.audit.record({ type: 'admin', subtype: 'request', action: 'E', outcome: 'serious-failure', reason: `handshake: ${reason}`, agent: { id: 'unknown', role: 'operator' } })
    socket.destroy()
  }

  async serve (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = randomUUID()
    const answer = await this.#answer(request, requestId)
    this.#requests.add(1, { status: String(answer.status) })
    response.writeHead(answer.status, { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-request-id': requestId, ...answer.headers })
    response.end(`${JSON.stringify(answer.body)}\n`)
    // what was not read of a body that is refused must not be taken for the next request
    if (!request.complete) response.once('finish', () => { request.destroy() })
  }

  async #answer (request: IncomingMessage, requestId: string): Promise<Answer> {
    const socket = request.socket as TLSSocket
    const operator = operatorOf(socket.getPeerX509Certificate(), Date.now())
    const method = request.method ?? ''
    const path = new URL(request.url ?? '/', 'https://admin').pathname
    const tell = teller(this.#options.audit, operator, socket.remoteAddress, requestId, method)
    if (operator === null) {
      tell.refused('certificate', path)
      return answerTo.refused(403, 'CERTIFICATE', 'This certificate names no operator, or has ended.')
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
    return this.#perform(request, { operator, route, params, tell })
  }

  async #perform (request: IncomingMessage, { operator, route, params, tell }: { operator: Operator, route: AdminRoute, params: Record<string, string>, tell: Teller }): Promise<Answer> {
    try {
      const body = await readJson(request)
      await tell.begun(route, params)
      const { searchParams: query } = new URL(request.url ?? '/', 'https://admin')
      return answerTo.done(await route.handle({ operator, params, query, body }))
    } catch (error) {
      const answer = answerTo.failed(error)
      tell.failed(route, params, answer)
      if (answer.status === 500) this.#options.observability.log.error({ err: error, route: route.path }, 'a request to the administration address failed')
      return answer
    }
  }
}
