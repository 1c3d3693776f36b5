// Where the services of tests live: one folder of this user under the system's temporary folder (never below a home
// folder: as root the servers run as another user, who must be able to enter it).
import { chmodSync, lstatSync, mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Made when it is not there; refuses one that somebody else has laid out. */
export function servicesDirectory (): string {
  const uid = process.getuid?.() ?? 0
  const directory = process.env['PULSEGATE_TEST_SERVICES'] ?? join(tmpdir(), `pulsegate-services-${uid}`)
  mkdirSync(directory, { recursive: true })
  const found = lstatSync(directory)
  if (!found.isDirectory() || found.uid !== uid) throw new Error(`${directory} belongs to another user: remove it, or name another folder in PULSEGATE_TEST_SERVICES`)
  chmodSync(directory, 0o755)
  return directory
}

/** Tells a process from a later one with the same id: its start time, from /proc. Empty where there is no /proc. */
export async function processIdentity (pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // the second field is the command in parentheses and may hold spaces; start time is the 20th after it
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

/** A script beside this file's source: it is not compiled, so dist/ has none. */
export function scriptPath (name: string): string {
  return join(fileURLToPath(import.meta.resolve('#package')), '..', 'test', 'services', name)
}
