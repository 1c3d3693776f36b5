// Enrolment over HTTPS (EST, RFC 7030 as clarified by RFC 8951): takes an authority's folder and an address, gives devices their
// certificates. This file is its life: start, reading changed files again, end. handler.ts is a request.
import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import { type AddressInfo, type Socket } from 'node:net'
import { type TLSSocket } from 'node:tls'
import { type AuditTrail } from '../../runtime/audit.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { type HandshakeGate, throughGate } from '../../runtime/handshake-gate.ts'
import { type CheckResult } from '../../runtime/health.ts'
import { type Observability } from '../../runtime/observability.ts'
import { readPassphrase } from '../../runtime/passphrase.ts'
import { openAuthority, type Authority } from '../authority.ts'
import { authorityPaths, type AuthorityPaths } from '../files.ts'
import { JournalFollower } from '../journal-follower.ts'
import { checkDays, lifeDays } from '../profile.ts'
import { Tokens } from '../tokens.ts'
import { ConnectionCount } from './connections.ts'
import { type EnrolParts, type MayEnrol } from './enrol.ts'
import { createHandler } from './handler.ts'
import { defaultEstLimits, type EstLimits } from './limits.ts'
import { readMaterial, type Material } from './material.ts'
import { CallerRate } from './rate.ts'
import { createRecorder, type Recorder } from './record.ts'
import { Slots } from './slots.ts'

export interface EstOptions {
  /** The authority's. */
  readonly directory: string
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Holds the passphrase of the authority's keys; read at start and whenever the authority's files have changed. */
  readonly passphraseFile?: string | undefined
  /** Life of a device certificate, more than 0 and at most 30 days; default 7. */
  readonly days?: number
  /** Asked before every signature; default: everybody. */
  readonly mayEnrol?: MayEnrol
  readonly audit: AuditTrail
  readonly observability: Observability
  readonly limits?: Partial<EstLimits>
  /** Where handshakes take their turns; absent: all begin at once. */
  readonly handshakes?: HandshakeGate
}

export interface EstServer {
  readonly address: { readonly host: string, readonly port: number }
  /** `https://host:port` */
  readonly url: string
  check (): CheckResult
  /** Reads authority, server certificate, lists and makers again; keeps the old ones if the new are faulty, and rejects. */
  reloadCertificates (): Promise<void>
  /** Takes no connection any more, lets requests under way end, and closes; at once when `hard` aborts. */
  close (hard: AbortSignal): Promise<void>
}

/** Starts listening. Rejects with CERTS_*, TLS_FILE_* or PORT_UNAVAILABLE. */
export async function startEstServer (options: EstOptions): Promise<EstServer> {
  const paths = authorityPaths(options.directory)
  checkDays(options.days ?? lifeDays.device)
  const server = new RunningEst(options, paths, await openAll(options, paths))
  await server.listen()
  return server
}

interface Opened { readonly authority: Authority, readonly material: Material }

async function openAll ({ directory, passphraseFile }: EstOptions, paths: AuthorityPaths): Promise<Opened> {
  const passphrase = passphraseFile === undefined ? undefined : await readPassphrase(passphraseFile)
  return { authority: await openAuthority(directory, passphrase === undefined ? {} : { passphrase }), material: await readMaterial(paths, passphrase) }
}

class RunningEst implements EstServer {
  readonly #options: EstOptions
  readonly #paths: AuthorityPaths
  readonly #limits: EstLimits
  readonly #connections: ConnectionCount
  readonly #server: Server
  readonly #recorder: Recorder
  readonly #parts: EnrolParts
  #authority: Authority
  #material: Material
  #reloading: Promise<void> = Promise.resolve()
  #stopping = false

  constructor (options: EstOptions, paths: AuthorityPaths, { authority, material }: Opened) {
    this.#options = options
    this.#paths = paths
    this.#authority = authority
    this.#material = material
    this.#limits = { ...defaultEstLimits, ...options.limits }
    this.#connections = new ConnectionCount(this.#limits.maxConnectionsPerAddress)
    this.#recorder = createRecorder(options.audit, options.observability.meter)
    this.#parts = {
      authority: () => this.#authority,
      tokens: new Tokens(paths.directory),
      journal: new JournalFollower(paths.journal),
      mayEnrol: options.mayEnrol ?? (async () => true),
      signing: new Slots(1, this.#limits.maxWaiting), // the journal takes one writer of ours at a time
      days: options.days ?? lifeDays.device
    }
    this.#server = this.#create()
  }

  get address (): { host: string, port: number } {
    return { host: this.#options.host, port: (this.#server.address() as AddressInfo | null)?.port ?? this.#options.port }
  }

  get url (): string {
    const { host, port } = this.address
    return `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  }

  async listen (): Promise<void> {
    const { host, port } = this.#options
    this.#server.listen(port, host)
    try {
      await once(this.#server, 'listening')
    } catch (cause) {
      throw new PulsegateError('PORT_UNAVAILABLE', `enrolment over HTTPS cannot listen on ${host}:${port}: ${(cause as NodeJS.ErrnoException).code ?? 'unknown'}`, { cause })
    }
    // no file left to accept with, say: the next connection may find one
    this.#server.on('error', (err) => { this.#options.observability.log.error({ err }, 'the address of enrolment') })
  }

  check (): CheckResult {
    if (this.#stopping) return { ready: false, reason: 'draining: the process is stopping' }
    return Date.now() < this.#material.endsAtMs ? { ready: true } : { ready: false, reason: 'the server certificate has ended: pulsegate certs server <names>' }
  }

  reloadCertificates (): Promise<void> {
    this.#reloading = this.#reloading.catch(() => {}).then(async () => {
      const { authority, material } = await openAll(this.#options, this.#paths)
      this.#server.setSecureContext(material.context)
      this.#authority = authority
      this.#material = material
    })
    return this.#reloading
  }

  async close (hard: AbortSignal): Promise<void> {
    this.#stopping = true
    const closed = new Promise<void>((resolve) => { this.#server.close(() => { resolve() }) }) // idle connections are closed with it
    const cut = (): void => { this.#connections.destroyAll() }
    hard.addEventListener('abort', cut, { once: true })
    if (hard.aborted) cut()
    await closed
    hard.removeEventListener('abort', cut)
  }

  #create (): Server {
    const { handshakes } = this.#options
    const { maxConnections, handshakeTimeoutMs, requestTimeoutMs, keepAliveMs } = this.#limits
    const handler = createHandler({
      material: () => this.#material,
      stopping: () => this.#stopping,
      enrolment: this.#parts,
      rate: new CallerRate(this.#limits.rate),
      deviceRate: new CallerRate(this.#limits.deviceRate),
      recorder: this.#recorder,
      log: this.#options.observability.log
    })
    const server = createServer({
      ...this.#material.context,
      pauseOnConnect: true,
      requestCert: true,
      rejectUnauthorized: false, // a device without a certificate must be able to ask for its first: peer.ts is the gate
      handshakeTimeout: handshakeTimeoutMs,
      maxHeaderSize: 8_192,
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: keepAliveMs
    }, handler)
    server.on('checkContinue', handler)
    server.maxConnections = maxConnections
    server.maxRequestsPerSocket = 100
    if (handshakes !== undefined) throughGate(server, handshakes, { refused: (reason) => { this.#recorder.handshakeFailed(reason) } })
    server.prependListener('connection', (socket: Socket) => { if (!this.#connections.add(socket)) this.#recorder.handshakeFailed('too-many-connections') })
    server.on('drop', () => this.#recorder.handshakeFailed('too-many-connections'))
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      this.#recorder.handshakeFailed(error.code ?? 'unknown')
      socket.destroy()
    })
    return server
  }
}
