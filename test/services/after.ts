// Run by tap when all test files are done: stops the shared TimescaleDB at once, unless another test run uses it (it would
// stop by itself some seconds later), and removes what Redis servers of killed test processes left.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { servicesDirectory } from './directory.ts'
import { removeRedisLeftovers } from './redis-server.ts'
import { releaseServer } from './server.ts'

const directory = join(servicesDirectory(), 'timescaledb')
if (existsSync(join(directory, 'data', 'postmaster.pid'))) await releaseServer(directory)
await removeRedisLeftovers()
