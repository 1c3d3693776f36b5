// A file that is there whole or not at all: written under another name, private to this user, put on disk, then given its name. One that is
// there already is never replaced. Takes pieces in order; `close` without `finish` leaves nothing behind.
import { randomBytes } from 'node:crypto'
import { type FileHandle, link, open, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PulsegateError } from '../../runtime/errors.ts'

export class WholeFile {
  readonly #path: string
  readonly #temporary: string
  #file: FileHandle | null
  bytes = 0

  private constructor (path: string, temporary: string, file: FileHandle) {
    this.#path = path
    this.#temporary = temporary
    this.#file = file
  }

  /** Errors: EXPORT_EXISTS, EXPORT_FAILED. */
  static async create (path: string): Promise<WholeFile> {
    if (await stat(path).then(() => true, () => false)) throw exists(path)
    const temporary = `${path}.${randomBytes(6).toString('hex')}.part`
    return new WholeFile(path, temporary, await open(temporary, 'wx', 0o600).catch((cause: unknown) => { throw failed(path, cause) }))
  }

  async write (bytes: Uint8Array): Promise<void> {
    this.bytes += bytes.length
    await this.#file?.writeFile(bytes).catch((cause: unknown) => { throw failed(this.#path, cause) })
  }

  /** On disk and under its name when this resolves. Errors: EXPORT_EXISTS, EXPORT_FAILED. */
  async finish (): Promise<void> {
    try {
      await this.#file?.sync()
      await link(this.#temporary, this.#path) // unlike a rename, fails when it is there
      const directory = await open(dirname(this.#path), 'r')
      await directory.sync().finally(() => directory.close())
    } catch (cause) {
      throw (cause as NodeJS.ErrnoException).code === 'EEXIST' ? exists(this.#path) : failed(this.#path, cause)
    }
  }

  async close (): Promise<void> {
    const file = this.#file
    this.#file = null
    await file?.close()
    await unlink(this.#temporary).catch(() => {})
  }
}

function exists (path: string): PulsegateError { return new PulsegateError('EXPORT_EXISTS', `${path} is there already`) }

function failed (path: string, cause: unknown): PulsegateError {
  return new PulsegateError('EXPORT_FAILED', `${path} cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`, { cause })
}
