// Reads what is left of a request's body that nobody wants, so that its sender can read why: a socket that is closed with something unread
// is reset by the kernel, and the answer may be lost with it. Bounded in bytes here, in time by the server's requestTimeout.
import { type IncomingMessage } from 'node:http'

const maxRestBytes = 1_048_576

/** Resolves at the body's end, or when the connection has ended; beyond the bound it is cut. Call it when the answer is written, before it is ended. */
export async function drainBody (request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return
  let left = maxRestBytes
  await new Promise<void>((resolve) => {
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left < 0) request.destroy()
    })
    request.once('end', resolve).once('close', resolve)
    request.resume()
  })
}
