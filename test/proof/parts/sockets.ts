// Both ends of a proxied connection, as real sockets of one test: an upstream server that keeps what comes, and clients.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { type Test } from 'tap'
import { openProxy, type Proxy } from '../../../proof/parts/proxy.ts'

/** One end: what has come, and how it ended. */
export class End {
  readonly socket: Socket
  received = Buffer.alloc(0)
  /** 'fin', or the code of the error that ended it; null while it is open. */
  ended: string | null = null
  #wake: () => void = () => {}

  constructor (socket: Socket, reading = true) {
    this.socket = socket
    if (reading) {
      socket.on('data', (bytes: Buffer) => {
        this.received = Buffer.concat([this.received, bytes])
        this.#wake()
      })
    }
    socket.on('end', () => { this.ended ??= 'fin'; this.#wake() })
    socket.on('error', (error: NodeJS.ErrnoException) => { this.ended ??= error.code ?? error.message; this.#wake() })
  }

  /** Waits until `holds`; tap's timeout is the bound. */
  async until (holds: (end: this) => boolean): Promise<void> {
    while (!holds(this)) await new Promise<void>((resolve) => { this.#wake = resolve })
  }

  async text (expected: string): Promise<void> {
    await this.until(() => this.received.length >= expected.length || this.ended !== null)
    if (this.received.toString() !== expected) throw new Error(`got ${JSON.stringify(this.received.toString())} (${this.ended ?? 'open'})`)
  }

  /** How it ended. */
  async end (): Promise<string> {
    await this.until(() => this.ended !== null)
    return this.ended ?? ''
  }
}

export interface Pair { readonly client: End, readonly server: End }

export interface Lane {
  readonly proxy: Proxy
  /** Connects through the proxy; both ends. `serverReads: false`: the upstream does not read. */
  open (options?: { serverReads?: boolean, clientReads?: boolean }): Promise<Pair>
}

/** An upstream and a proxy before it. */
export async function lane (t: Test): Promise<Lane> {
  const arrivals: Array<(socket: Socket) => void> = []
  const sockets = new Set<Socket>()
  const upstream = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on('error', () => {}))
    arrivals.shift()?.(socket)
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const { port } = upstream.address() as { port: number }
  const proxy = await openProxy({ name: 'lane', upstream: { host: '127.0.0.1', port } })
  t.teardown(async () => {
    await proxy.close()
    upstream.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    proxy,
    open: async ({ serverReads = true, clientReads = true } = {}) => {
      const arrived = new Promise<Socket>((resolve) => arrivals.push(resolve))
      const socket = connect({ host: '127.0.0.1', port: proxy.port, allowHalfOpen: true })
      sockets.add(socket)
      const client = new End(socket, clientReads)
      await once(socket, 'connect')
      return { client, server: new End(await arrived, serverReads) }
    }
  }
}
