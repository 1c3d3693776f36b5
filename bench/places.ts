// Where things lie: the project's folder (the same from source and from dist/) and a cache that may be deleted at any time.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const projectDirectory = dirname(fileURLToPath(import.meta.resolve('#package')))
/** Compiled generator, device certificates, unpacked packages. */
export const cacheDirectory = join(projectDirectory, '.cache', 'bench')
export const resultsDirectory = join(projectDirectory, 'bench', 'results')
