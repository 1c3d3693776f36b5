// Whole lines of an append-only file. A writer that was killed may have left a torn last line; it is never given out, and
// the offset behind each line tells where the good part ends.
import { createReadStream } from 'node:fs'

export interface Line {
  readonly text: string
  /** Byte offset behind the line's newline. */
  readonly end: number
}

/** The complete lines of `file`, without their newlines. Constant memory. Throws what fs throws. */
export async function * wholeLines (file: string): AsyncGenerator<Line> {
  let rest: Buffer = Buffer.alloc(0)
  let offset = 0
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    let from = 0
    for (let newline = bytes.indexOf(10); newline !== -1; newline = bytes.indexOf(10, from)) {
      yield { text: bytes.toString('utf8', from, newline), end: offset + newline + 1 }
      from = newline + 1
    }
    offset += from
    rest = bytes.subarray(from)
  }
}
