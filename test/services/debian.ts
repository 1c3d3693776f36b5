// Programs from Debian's packages for tests and benchmarks (Mosquitto, its clients, Python's paho, Redis), unpacked
// privately and once for this user by debian.sh: no root, nothing installed. Fails aloud when the archive cannot be reached.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { scriptPath, servicesDirectory } from './directory.ts'
import { refuseWhenSkipped } from './skip.ts'

const run = promisify(execFile)

export interface DebianPackages {
  /** Path of a program of theirs, such as 'mosquitto' or 'python3'. Throws when there is none of that name. */
  bin (name: string): string
}

/**
 * Unpacks the packages and all they need, or finds them unpacked. `suite`: trixie runs on any host, for the packages
 * bring their own C library.
 */
export async function debianPackages (names: readonly string[], suite = 'trixie'): Promise<DebianPackages> {
  refuseWhenSkipped()
  const directory = join(servicesDirectory(), `${suite}-${[...names].sort().join('+')}`)
  // the lists of the archive and the packages: tens of megabytes on a slow line
  await run('bash', [scriptPath('debian.sh'), 'unpack', directory, suite, ...names], { timeout: 600_000 })
  return {
    bin (name) {
      const found = ['usr/bin', 'usr/sbin'].map((folder) => join(directory, folder, name)).find((path) => existsSync(path))
      if (found === undefined) throw new Error(`no program ${name} in Debian's ${names.join(', ')}`)
      return found
    }
  }
}
