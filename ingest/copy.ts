// One query string with several COPY … FROM STDIN in it, in one round trip: the statements and all their data leave
// together, the answers come back together. BEGIN, three COPYs and COMMIT thus cost one wait for the server instead of
// five. Takes statements with their bytes, gives the command tags; rejects with the server's error, after which the transaction (if
// BEGIN was among them) is aborted and wants a ROLLBACK.
//
// Why the data need not wait for CopyInResponse: the server reads messages in order, and outside of COPY it drops
// CopyData and CopyDone (protocol 3, "COPY Operations"), so after an error what is left of them is skipped.
import { type ClientBase, type Connection, type Submittable } from 'pg'

export interface Statement {
  readonly text: string
  /** For COPY … FROM STDIN: what follows, in pieces of any size. Taken one by one, each sent before the next is asked for. */
  readonly data?: Iterable<Buffer>
}

const copyDone = Buffer.from([0x63, 0, 0, 0, 4])

type Finish = (error: Error | null) => void

/** What pg's Client drives; `callback` is where it hooks in its query_timeout. */
class CopyBatch implements Submittable {
  readonly tags: string[] = []
  readonly #statements: readonly Statement[]
  callback: Finish
  #error: Error | null = null

  constructor (statements: readonly Statement[], finish: Finish) {
    this.#statements = statements
    this.callback = finish
  }

  submit (connection: Connection): void {
    const { stream } = connection
    stream.cork()
    connection.query(this.#statements.map(({ text }) => text).join(';'))
    for (const { data } of this.#statements) {
      if (data === undefined) continue
      for (const piece of data) {
        sendPiece(connection, piece)
        // on its way now: the server works on it while the next piece is made
        stream.uncork()
        stream.cork()
      }
      stream.write(copyDone)
    }
    stream.uncork()
  }

  handleCommandComplete ({ text }: { text: string }): void { this.tags.push(text) }
  handleCopyInResponse (): void {}
  handleRowDescription (): void {}
  handleDataRow (): void {}
  handlePortalSuspended (): void {}
  handleEmptyQuery (): void {}

  // pg calls this for the server's error (ReadyForQuery follows, but pg drops the query before), for a lost connection and for a timeout
  handleError (error: Error): void {
    this.#error ??= error
    this.#finish()
  }

  handleReadyForQuery (): void { this.#finish() }

  #finish (): void {
    const { callback } = this
    this.callback = () => {}
    callback(this.#error)
  }
}

/** CopyData: type, length, bytes. */
function sendPiece ({ stream }: Connection, piece: Buffer): void {
  const head = Buffer.allocUnsafe(5)
  head[0] = 0x64
  head.writeInt32BE(piece.length + 4, 1)
  stream.write(head)
  stream.write(piece)
}

/** Runs `statements` as one query; gives their command tags, such as `COPY 10`, in order. */
export async function copyBatch (client: ClientBase, statements: readonly Statement[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const batch = new CopyBatch(statements, (error) => {
      if (error === null) resolve(batch.tags)
      else reject(error)
    })
    client.query(batch)
  })
}
