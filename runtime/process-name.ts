// A name for this process that no other process, earlier or later, has: shown to people in Redis and logs.
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

/** Another one at each call: a process may be several of a kind. */
export function uniqueName (): string {
  return `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`
}
