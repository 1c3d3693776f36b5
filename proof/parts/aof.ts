// Which file Redis appends to: since version 7 a folder holds a base, increments, and a manifest that names them in order.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The last incremental file of the data folder `data`. Throws when there is none: the server was never up. */
export async function appendedFile (data: string): Promise<string> {
  const folder = join(data, 'appendonlydir')
  const manifest = await readFile(join(folder, 'appendonly.aof.manifest'), 'utf8')
  // a line: file appendonly.aof.1.incr.aof seq 1 type i
  const last = manifest.split('\n').map((line) => /^file (\S+) seq \d+ type i\b/.exec(line)?.[1]).findLast((name) => name !== undefined)
  if (last === undefined) throw new Error(`${folder} has no incremental append-only file`)
  return join(folder, last)
}
