// Where a simulated device keeps its identity: `<directory>/devices/<id>/device.key` (0600) and `device.crt`, and while it tries a new one,
// `next.key` and `next.crt` beside them. Promise: whenever the process dies, a key and the certificate that belongs to it are found again.
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { mkdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing, syncDirectory, writeKey, writePublic } from '../certs/files.ts'
import { type Credentials } from './simulator.ts'

export class CredentialStore {
  readonly #directory: string

  constructor (directory: string) {
    this.#directory = join(directory, 'devices')
  }

  /** Null when nothing usable is kept. */
  async read (id: string): Promise<Credentials | null> {
    const at = (name: string): string => join(this.#directory, id, name)
    // the last is what a death in the middle of `promote` leaves
    for (const [key, certificate] of [['device.key', 'device.crt'], ['next.key', 'device.crt'], ['next.key', 'next.crt']] as const) {
      const pair = await readPair(at(key), at(certificate))
      if (pair !== null) return pair
    }
    return null
  }

  async write (id: string, credentials: Credentials): Promise<void> {
    await this.#write(id, 'device', credentials)
  }

  /** Keeps what is to be tried; what is in use stays. */
  async keepNext (id: string, credentials: Credentials): Promise<void> {
    await this.#write(id, 'next', credentials)
  }

  /** The next is the one in use from now on. */
  async promote (id: string): Promise<void> {
    const folder = join(this.#directory, id)
    for (const ending of ['crt', 'key']) await rename(join(folder, `next.${ending}`), join(folder, `device.${ending}`))
    await syncDirectory(folder)
  }

  async dropNext (id: string): Promise<void> {
    for (const ending of ['crt', 'key']) await unlink(join(this.#directory, id, `next.${ending}`)).catch(() => {})
  }

  async #write (id: string, name: 'device' | 'next', { keyPem, certPem }: Credentials): Promise<void> {
    const folder = join(this.#directory, id)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeKey(join(folder, `${name}.key`), keyPem, { overwrite: true })
    await writePublic(join(folder, `${name}.crt`), certPem)
    await syncDirectory(folder)
  }
}

async function readPair (keyFile: string, certificateFile: string): Promise<Credentials | null> {
  try {
    const [keyPem, certPem] = [await readFile(keyFile, 'utf8'), await readFile(certificateFile, 'utf8')]
    return new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem)) ? { keyPem, certPem } : null
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}
