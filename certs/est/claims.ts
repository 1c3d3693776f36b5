// Which device ids a stranger has taken. A maker can name any id in a birth certificate, and a token made for any device comes with an id
// that the device chooses: neither may take the id of a device that is somebody else's. The first to come has it, for good; a file each in
// `<authority>/claims/`, made by an exclusive create, so it holds between processes too.
import { mkdir, open, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../files.ts'

/** `maker <fingerprint>` or `token <name>`. */
export type Claimant = `maker ${string}` | `token ${string}`

export class Claims {
  readonly #directory: string

  constructor (authorityDirectory: string) {
    this.#directory = join(authorityDirectory, 'claims')
  }

  /** `new`, `mine` (this claimant's from earlier), or `taken`. On disk when it resolves. `id`: checked device id. */
  async claim (id: string, claimant: Claimant): Promise<'new' | 'mine' | 'taken'> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const path = join(this.#directory, id)
    try {
      const file = await open(path, 'wx', 0o600)
      try {
        await file.writeFile(claimant)
        await file.sync()
      } finally {
        await file.close()
      }
      await syncDirectory(this.#directory)
      return 'new'
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
      return await readFile(path, 'utf8') === claimant ? 'mine' : 'taken'
    }
  }

  /** Takes a new claim back, when nothing was issued for it. */
  async release (id: string): Promise<void> {
    await unlink(join(this.#directory, id))
  }
}
