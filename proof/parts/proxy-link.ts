// One connection through the proxy: the client's socket, ours to the upstream, and a flow each way. An orderly end (FIN) is
// passed on after the bytes before it, each direction by itself; an error of either side is passed on as a reset.
import { connect, type Socket } from 'node:net'
import { Flow } from './proxy-flow.ts'
import { type Rules } from './proxy-rules.ts'

export interface Address { readonly host: string, readonly port: number }

const connectWithinMs = 10_000
/** A reset overtakes bytes the kernel has not delivered yet; on one machine they need far less than this. */
const deliveredWithinMs = 20

export class Link {
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #flows: readonly [up: Flow, down: Flow]
  /** Resolves when both sockets are closed. */
  readonly closed: Promise<void>

  constructor (client: Socket, address: Address, rules: Rules, onClosed: (link: Link) => void) {
    this.#client = client.setNoDelay(true)
    this.#upstream = connect({ ...address, allowHalfOpen: true, noDelay: true })
    const late = setTimeout(() => this.cut(), connectWithinMs)
    this.#upstream.once('connect', () => clearTimeout(late)).once('close', () => clearTimeout(late))
    const onHalfWritten = () => { setTimeout(() => this.cut(), deliveredWithinMs) }
    const shared = { rules, onHalfWritten, onTornEnd: () => this.cut() }
    this.#flows = [
      new Flow({ ...shared, from: client, to: this.#upstream, direction: 'up' }),
      new Flow({ ...shared, from: this.#upstream, to: client, direction: 'down' })
    ]
    this.closed = Promise.all([client, this.#upstream].map((socket) => new Promise<void>((resolve) => {
      socket.on('error', () => { if (!this.held) this.cut() })
      socket.once('close', () => resolve())
    }))).then(() => {
      this.#closeFlows()
      onClosed(this)
    })
  }

  /** Forwards nothing and tells nobody (half-open). */
  get held (): boolean { return this.#flows[0].held }

  /** Bytes of it were thrown away, or stand still for ever: it may not go on. */
  get torn (): boolean { return this.held || this.#flows.some((flow) => flow.lost) }

  get bufferedBytes (): number { return this.#flows[0].bufferedBytes + this.#flows[1].bufferedBytes }

  /** The rules have changed. */
  pump (): void { for (const flow of this.#flows) flow.pump() }

  hold (): void { for (const flow of this.#flows) flow.hold() }

  /** RST to both sides. */
  cut (): void {
    this.#closeFlows()
    for (const socket of [this.#client, this.#upstream]) reset(socket)
  }

  #closeFlows (): void { for (const flow of this.#flows) flow.close() }
}

function reset (socket: Socket): void {
  if (socket.destroyed) return
  // a socket that is connecting would be reset only later, and one that is sending its FIN cannot be
  if (socket.connecting || (socket.writableEnded && !socket.writableFinished)) socket.destroy()
  else socket.resetAndDestroy()
}
