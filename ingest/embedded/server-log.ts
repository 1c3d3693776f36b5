// The server's own log: its standard error, appended to `server.log` by the server itself, so that it lives on when this
// process dies. Bounded: above 5 MB the file is kept once as `server.log.1` and emptied (the server appends, so it goes on at
// the start). It never holds patients' values: the launcher tells the server not to log statements, parameters or details.
import { copyFile, open, readFile, stat, truncate, type FileHandle } from 'node:fs/promises'

const maxBytes = 5_000_000
const lookEveryMs = 60_000

/** Opens the log for the server to inherit. */
export async function openServerLog (path: string): Promise<FileHandle> {
  await rotate(path)
  return open(path, 'a', 0o600)
}

/** Keeps the log small while the server runs; returns a function that stops it. */
export function keepLogSmall (path: string): () => void {
  const timer = setInterval(() => { rotate(path).catch(() => {}) }, lookEveryMs).unref()
  return () => clearInterval(timer)
}

async function rotate (path: string): Promise<void> {
  const size = await stat(path).then((stats) => stats.size, () => 0)
  if (size <= maxBytes) return
  await copyFile(path, `${path}.1`)
  await truncate(path)
}

/** What the server logged since `fromByte`: its last lines, for an error message. */
export async function logTail (path: string, fromByte: number): Promise<string> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0))
  return lastLines(bytes.subarray(Math.min(fromByte, bytes.length)).toString('utf8'), 8)
}

/** The last lines of a text that are not empty, on lines of their own. */
export function lastLines (text: string, count: number): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '').slice(-count)
  return lines.length === 0 ? 'it said nothing' : '\n' + lines.map((line) => `    ${line}`).join('\n')
}
