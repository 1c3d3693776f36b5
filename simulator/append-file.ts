// An append-only file of lines that survives a kill -9: `flush` hands everything to the operating system with one write(2)
// and returns only then, so whoever flushes before acting on a line never loses it with the process. fdatasync follows within
// a second and on close: that much a power cut may take.
import { closeSync, fdatasync, fdatasyncSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { wholeLines } from './lines.ts'

const syncEveryMs = 1_000

export class AppendFile {
  readonly file: string
  /** Bytes in the file. */
  size: number
  readonly #fd: number
  #pending: string[] = []
  #syncing: NodeJS.Timeout | null = null

  /** Goes on behind what `file` holds; whoever does not know that its last line is whole uses `open`. */
  constructor (file: string) {
    this.file = file
    this.#fd = openSync(file, 'a', 0o600)
    this.size = fstatSync(this.#fd).size
  }

  /** Opens or begins `file` (mode 0600), gives each line that is there to `replay`, and cuts off a torn last one. */
  static async open (file: string, replay: (text: string) => void): Promise<AppendFile> {
    const opened = new AppendFile(file)
    opened.size = 0
    try {
      for await (const line of wholeLines(file)) {
        replay(line.text)
        opened.size = line.end
      }
      ftruncateSync(opened.#fd, opened.size)
    } catch (error) {
      closeSync(opened.#fd)
      throw error
    }
    return opened
  }

  /** Are there lines that `flush` has not written? */
  get pending (): boolean { return this.#pending.length > 0 }

  /** Adds a line; nothing is durable before `flush`. */
  append (line: string): void {
    this.#pending.push(line)
  }

  /** Throws what write(2) throws (ENOSPC); the lines stay pending and none of them is left half written. */
  flush (): void {
    if (this.#pending.length === 0) return
    const bytes = Buffer.from(this.#pending.join('\n') + '\n')
    try {
      for (let written = 0; written < bytes.length;) written += writeSync(this.#fd, bytes, written)
    } catch (error) {
      ftruncateSync(this.#fd, this.size)
      throw error
    }
    this.#pending = []
    this.size += bytes.length
    // a failing sync leaves the lines where write(2) put them, and close() will say so
    this.#syncing ??= setTimeout(() => {
      this.#syncing = null
      fdatasync(this.#fd, () => {})
    }, syncEveryMs).unref()
  }

  close (): void {
    this.flush()
    if (this.#syncing) clearTimeout(this.#syncing)
    fdatasyncSync(this.#fd)
    closeSync(this.#fd)
  }
}
