// Who may begin a TLS handshake, and when, for several ports of one process: a handshake is the dearest thing a stranger can ask for, so all
// ports take their turns at one gate (broker/gate.ts). This is what a port sees of it, and how an HTTPS server is put behind it.
import { type Socket } from 'node:net'
import { type Server, type TLSSocket } from 'node:tls'

/** A port's side. */
export interface HandshakeDoor {
  /** Begin the handshake. */
  begin (socket: Socket): void
  /** The socket is closed without one. `reason`: a word for a metric. */
  refused (reason: string, address: string): void
}

export interface HandshakeGate {
  /**
   * Takes a socket that is not read yet. Bounds handshakes and not connections: those are for the port to bound. Addresses that the gate keeps
   * out of its own port are only slowed down. Each door has its own queue at an address: use one for all sockets of a port.
   */
  enter (socket: Socket, door: HandshakeDoor): void
  /** The handshake has ended, well or not. */
  done (socket: Socket): void
}

/** Puts `server`, made with `pauseOnConnect: true` and not listening yet, behind `gate`. */
export function throughGate (server: Server, gate: HandshakeGate, { refused }: Omit<HandshakeDoor, 'begin'>): void {
  // Node's own listener wraps the socket in TLS: it is called when the gate says so
  const wrap = server.listeners('connection') as Array<(this: Server, socket: Socket) => void>
  server.removeAllListeners('connection')
  const door: HandshakeDoor = { begin (socket) { for (const each of wrap) each.call(server, socket) }, refused }
  server.on('connection', (socket: Socket) => { gate.enter(socket, door) })
  const done = (raw: Socket | undefined): void => { if (raw !== undefined) gate.done(raw) }
  server.on('secureConnection', (socket) => { done(rawOf(socket)) })
  server.on('tlsClientError', (_error, socket) => { done(rawOf(socket)) })
}

/** The TCP socket under a TLS socket. Node has no public word for it, and forgets the address of a TLS socket that was refused; `test/broker/handshakes.test.ts` holds it. */
export function rawOf (socket: TLSSocket): Socket | undefined {
  return (socket as unknown as { _parent?: Socket })._parent
}
