// Where the program redis-server comes from: the path a person gave, else PATH. There is no copy of Redis among our dependencies,
// and the proof does not hurt a server it has not started itself.
import { access, constants, stat } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { PulsegateError } from '../../runtime/errors.ts'

/** Path of the program. `explicit`: of a flag or of REDIS_SERVER. Throws REDIS_SERVER_MISSING. */
export async function findRedisServer (explicit = process.env['REDIS_SERVER'], path = process.env['PATH']): Promise<string> {
  if (explicit !== undefined && explicit !== '') {
    if (await canRun(explicit)) return resolve(explicit)
    throw new PulsegateError('REDIS_SERVER_MISSING', `${explicit} is not a program that can be run`)
  }
  for (const folder of (path ?? '').split(delimiter).filter((entry) => entry !== '')) {
    const program = join(folder, 'redis-server')
    if (await canRun(program)) return resolve(program)
  }
  throw new PulsegateError('REDIS_SERVER_MISSING', 'there is no redis-server on PATH')
}

async function canRun (path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}
