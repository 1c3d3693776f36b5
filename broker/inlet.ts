// The inlet of a connection: when its socket is read and when not. Takes the bits of `stops.ts`, pauses the socket while
// any is set, and goes on with the frames that waited once none is. Nothing is dropped while it is shut: TCP tells the
// peer to wait. After the close it reads the peer's last bytes off and throws them away.
import { type TLSSocket } from 'node:tls'
import { type Counters } from './counters.ts'
import { FrameReader, type FrameSink } from './frames.ts'
import { type Times } from './lateness.ts'

const discardBytes = 64 * 1024 // what a closed peer may still send before it is cut off

export class Inlet {
  /** Bits of `stop`; the socket is read while it is 0. */
  stops = 0
  readonly #socket: TLSSocket
  readonly #counters: Counters
  readonly #times: Times
  readonly #reader: FrameReader
  #discarded = -1 // not discarding

  constructor (socket: TLSSocket, sink: FrameSink, times: Times, counters: Counters) {
    this.#socket = socket
    this.#counters = counters
    this.#times = times
    this.#reader = new FrameReader(sink)
    socket.on('data', (chunk: Buffer) => this.#data(chunk))
  }

  has (bit: number): boolean { return (this.stops & bit) !== 0 }

  stop (bit: number): void {
    if (this.stops === 0) {
      this.#socket.pause()
      this.#times.spoke = this.#counters.nowMs
    }
    this.stops |= bit
  }

  go (bit: number): void {
    if ((this.stops & bit) === 0) return
    this.stops &= ~bit
    if (this.stops !== 0) return
    this.#counters.tick()
    this.#times.heard = this.#counters.nowMs // the time during which we did not read does not count
    this.#reader.resume()
    if (this.stops === 0) this.#socket.resume()
  }

  /** Closing with bytes unread makes the kernel reset the connection, and the peer may lose our last answer: read them off. */
  discard (): void {
    this.#discarded = 0
    this.#reader.clear()
    this.#socket.resume()
  }

  #data (chunk: Buffer): void {
    if (this.#discarded < 0) {
      this.#counters.tick()
      this.#reader.read(chunk)
    } else if ((this.#discarded += chunk.length) > discardBytes) this.#socket.destroy()
  }
}
