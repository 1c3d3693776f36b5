// Makes the TLS sockets of connections to Redis. ioredis 6.0.0 listens to the first error of a socket only (`once`); a TLS socket may have
// two, our refusal of the certificate and then the server's alert, and the second would end the process. Here every error has a listener.
import { connect, type TLSSocket } from 'node:tls'
import { AbstractConnector, type RedisOptions } from 'ioredis'

export class TlsConnector extends AbstractConnector {
  readonly #options: RedisOptions

  /** `options`: ioredis's own, of the connection. */
  constructor (options: unknown) {
    super((options as RedisOptions).disconnectTimeout ?? 2_000)
    this.#options = options as RedisOptions
  }

  async connect (): Promise<TLSSocket> {
    const { host = '127.0.0.1', port = 6_379, tls } = this.#options
    this.connecting = true
    const socket = connect({ host, port: Number(port), ...tls })
    // `firstError` is what ioredis asks for when the socket has failed before it could listen
    socket.on('error', (error) => { this.firstError ??= error })
    this.stream = socket
    return socket
  }
}
