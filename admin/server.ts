// The administration address: HTTPS on a port of its own, for people with a certificate of the operators' authority. Takes key,
// certificates, lists and routes; administration.ts has what becomes of each request.
import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer, type Server, type ServerOptions } from 'node:https'
import { type AddressInfo } from 'node:net'
import { type TLSSocket } from 'node:tls'
import { PulsegateError } from '../runtime/errors.ts'
import { type HandshakeGate, rawOf, throughGate } from '../runtime/handshake-gate.ts'
import { tlsProfile } from '../runtime/tls-profile.ts'
import { Administration, type AdministrationOptions } from './administration.ts'
import { type OperatorTrust } from './operator.ts'

export interface AdminTls {
  readonly key: string
  readonly cert: string
  /** The operators' authority alone: a device's certificate must not pass. */
  readonly ca: readonly string[]
  readonly crl: readonly string[]
  /** What is in `ca` and `crl`, for those who are connected when it changes. */
  readonly trust: OperatorTrust
}

export interface AdminServerOptions extends AdministrationOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Null: nobody is let in until `replace`. */
  readonly tls: AdminTls | null
  /** Where handshakes take their turns; absent: all begin at once. */
  readonly handshakes?: HandshakeGate
}

export interface AdminServer {
  readonly address: { readonly host: string, readonly port: number }
  /** Takes new key, certificates and lists: for new connections, and for each request from now on of those that are open. */
  replace (tls: AdminTls): void
  close (): Promise<void>
}

/** Starts listening. Throws PORT_UNAVAILABLE. */
export async function startAdminServer (options: AdminServerOptions): Promise<AdminServer> {
  const { host, port, handshakes } = options
  const server = createServer({ ...secure(options.tls), ...bounds, pauseOnConnect: true })
  const admin = new Administration(options, options.tls?.trust ?? { issuers: [], revoked: new Set() })
  server.maxConnections = 100 // the gate bounds handshakes, not connections: an operator may sit at the address of devices that fill the broker
  if (handshakes !== undefined) throughGate(server, handshakes, { refused: (reason, address) => { admin.refusedHandshake(reason, address) } })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => { admin.serve(request, response).catch(() => response.destroy()) })
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    admin.refusedHandshake(String(socket.authorizationError ?? error.code ?? 'unknown'), rawOf(socket)?.remoteAddress)
    socket.destroy()
  })
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
      admin.trust = tls.trust
    },
    close: () => closeServer(server)
  }
}

function secure (tls: AdminTls | null): ServerOptions {
  return {
    ...(tls && { key: tls.key, cert: tls.cert, ca: [...tls.ca], crl: [...tls.crl] }),
    requestCert: true,
    rejectUnauthorized: true,
    ...tlsProfile({ resumption: false }) // a resumed session would skip the look at certificate and list
  }
}

const bounds: ServerOptions = { handshakeTimeout: 5_000, headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 1_000, maxHeaderSize: 8_192, keepAliveTimeout: 5_000 }

async function closeServer (server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => { server.close(() => { resolve() }) })
  server.closeIdleConnections()
  const cut = setTimeout(() => { server.closeAllConnections() }, 2_000)
  await closed
  clearTimeout(cut)
}
