// How many connections an address may have open at once: one that opens them and says nothing must leave room for others.
import { type Socket } from 'node:net'
import { addressKey } from '../../runtime/address.ts'

export class ConnectionCount {
  readonly #most: number
  readonly #open = new Map<string, number>()
  readonly #sockets = new Set<Socket>()

  constructor (most: number) {
    this.#most = most
  }

  /** False: the socket was one too many and has been destroyed. */
  add (socket: Socket): boolean {
    const address = addressKey(socket.remoteAddress ?? 'unknown')
    const open = this.#open.get(address) ?? 0
    if (open >= this.#most) {
      socket.destroy()
      return false
    }
    this.#open.set(address, open + 1)
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      const left = (this.#open.get(address) ?? 1) - 1
      if (left === 0) this.#open.delete(address)
      else this.#open.set(address, left)
    })
    return true
  }

  /** Those too that have not finished their handshake, of which an HTTPS server knows nothing. */
  destroyAll (): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
