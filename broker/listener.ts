// The TLS listener: mutual TLS 1.2 and 1.3, AEAD suites with forward secrecy, no renegotiation. Takes credentials, gives
// sockets whose certificate has been verified and identified; what fails before that is counted with its reason. A plain TCP server
// accepts and the gate (gate.ts) says when a connection goes on to TLS; not one byte is read of it before.
import { type X509Certificate } from 'node:crypto'
import { createServer as createTcpServer, type DropArgument, type Server as TcpServer } from 'node:net'
import { createServer, type TLSSocket, type Server, type SecureContextOptions } from 'node:tls'
import { rawOf } from '../runtime/handshake-gate.ts'
import { tlsProfile } from '../runtime/tls-profile.ts'
import { plainAddress } from '../runtime/address.ts'
import { claimOf, watchClaims } from './claims.ts'
import { type Credentials } from './credentials.ts'
import { Gate, type GateAddresses } from './gate.ts'
import { identify, type Identity } from './identity.ts'
import { type Limits } from './limits.ts'
import { type RefusalReason, type Refusals } from './refusals.ts'
import { type Revocations } from './revocations.ts'

/** What OpenSSL calls it, and what we do. */
const byAuthorizationError: Readonly<Record<string, RefusalReason>> = {
  CERT_REVOKED: 'certificate-revoked',
  CERT_HAS_EXPIRED: 'certificate-expired',
  CERT_NOT_YET_VALID: 'certificate-not-yet-valid',
  INVALID_PURPOSE: 'certificate-purpose',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate-untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate-untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate-untrusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate-untrusted',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate-untrusted',
  CERT_SIGNATURE_FAILURE: 'certificate-untrusted',
  UNABLE_TO_GET_CRL: 'certificate-untrusted', // every CA of ours has its CRL (credentials.ts), so this one is not ours
  CRL_HAS_EXPIRED: 'crl-unusable',
  CRL_NOT_YET_VALID: 'crl-unusable'
}

/** The alerts of a peer that does not take our certificate, as OpenSSL spells them. */
const untrustingAlert = /_ALERT_((BAD|UNSUPPORTED)_CERTIFICATE|CERTIFICATE_(REVOKED|EXPIRED|UNKNOWN)|UNKNOWN_CA)$/

/** The reason for a handshake that failed: `authorizationError` of the socket if there is one, else the error's code. */
export function handshakeReason (authorizationError: unknown, code: string | undefined): RefusalReason {
  if (authorizationError !== null && authorizationError !== undefined && authorizationError !== '') {
    const name = authorizationError instanceof Error ? (authorizationError as NodeJS.ErrnoException).code ?? '' : typeof authorizationError === 'string' ? authorizationError : ''
    return byAuthorizationError[name] ?? 'certificate-other'
  }
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return 'no-certificate'
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'handshake-timeout'
  if (code !== undefined && untrustingAlert.test(code)) return 'server-untrusted'
  return code?.startsWith('ERR_SSL_') === true ? 'tls-protocol' : 'handshake-aborted'
}

function secureContext (credentials: Credentials): SecureContextOptions {
  return {
    key: credentials.key,
    cert: credentials.cert,
    ca: credentials.ca,
    crl: credentials.crl, // leaving it out turns revocation off without a word
    ...tlsProfile({ resumption: true }),
    sessionTimeout: 3_600 // seconds; identity.ts checks resumed sessions again
  }
}

export interface ListenerEvents {
  /** Why a device whose certificate is good is not let in now, or null. */
  refuses (identity: Identity): RefusalReason | null
  /** A device has passed the handshake. */
  device (socket: TLSSocket, identity: Identity, address: string): void
}

export interface ListenerServices {
  readonly revocations: Revocations
  readonly limits: Limits
  readonly refusals: Refusals
  readonly addresses: GateAddresses
}

export class Listener {
  /** Listens. It takes connections without reading them; the gate says when each goes on to TLS. */
  readonly server: TcpServer
  readonly gate: Gate
  readonly #tls: Server
  readonly #shown: (socket: TLSSocket) => X509Certificate | undefined
  #credentials: Credentials
  readonly #services: ListenerServices
  readonly #events: ListenerEvents

  constructor (credentials: Credentials, services: ListenerServices, events: ListenerEvents) {
    const { limits, refusals, addresses } = services
    this.#credentials = credentials
    this.#services = services
    this.#events = events
    this.server = createTcpServer({
      pauseOnConnect: true,
      allowHalfOpen: true, // a device that has said all may still be owed acknowledgements
      noDelay: true,
      keepAlive: true, // finds peers that vanished while we were not reading them
      keepAliveInitialDelay: 60_000
    }, (socket) => this.gate.enter(socket))
    this.server.maxConnections = limits.maxConnections
    this.server.on('drop', (peer?: DropArgument) => refusals.add('too-many-connections', { address: addressOf(peer) }))
    this.#tls = createServer({ ...secureContext(credentials), requestCert: true, rejectUnauthorized: true, handshakeTimeout: limits.connectTimeoutMs }, (socket) => this.#secured(socket))
    this.gate = new Gate(limits, addresses, {
      begin: (socket) => this.#tls.emit('connection', socket),
      refused: (reason, address) => refusals.add(reason, { address })
    })
    this.#shown = watchClaims(this.#tls)
    this.#tls.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      const raw = rawOf(socket)
      const certificate = this.#shown(socket)
      const claim = certificate === undefined ? {} : claimOf(certificate)
      refusals.add(handshakeReason(socket.authorizationError, error.code), {
        address: addressOf(raw), openssl: openSslWord(socket.authorizationError, error), ...claim, ...('device' in claim && { claimed: true })
      })
      socket.destroy()
      if (raw !== undefined) this.gate.done(raw)
    })
  }

  get credentials (): Credentials { return this.#credentials }

  /** For new connections at once; tickets given out before are void. Open connections stay, the caller looks at them. */
  replace (credentials: Credentials): void {
    this.#tls.setSecureContext(secureContext(credentials))
    this.#credentials = credentials
  }

  /** Lets nobody in any more. */
  close (): void {
    this.server.close()
    this.gate.close()
  }

  #secured (socket: TLSSocket): void {
    const raw = rawOf(socket)
    if (raw !== undefined) this.gate.done(raw)
    const address = addressOf(raw) ?? addressOf(socket) ?? 'unknown' // the raw one has been asked before and remembers
    const { revocations, refusals } = this.#services
    const certificate = this.#shown(socket) ?? socket.getPeerX509Certificate()
    const result = identify(certificate, { issuers: this.#credentials.trust.issuers, revoked: revocations }, Date.now())
    const reason = result.ok ? this.#events.refuses(result.identity) : result.reason
    if (result.ok && reason === null) return this.#events.device(socket, result.identity, address)
    refusals.add(reason as RefusalReason, { address, ...(certificate !== undefined && claimOf(certificate)), ...(!result.ok && { claimed: true }) })
    socket.on('error', () => {})
    socket.destroy()
  }
}

function addressOf (peer: { readonly remoteAddress?: string | undefined } | undefined): string | undefined {
  return peer?.remoteAddress === undefined ? undefined : plainAddress(peer.remoteAddress)
}

function openSslWord (authorizationError: unknown, error: NodeJS.ErrnoException): string | undefined {
  return authorizationError instanceof Error ? (authorizationError as NodeJS.ErrnoException).code : typeof authorizationError === 'string' ? authorizationError : error.code
}
