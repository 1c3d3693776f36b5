// Which addresses never leave this machine: only to these may a connection go unencrypted without being told to. Pure.
import { isIPv4 } from 'node:net'

/** `localhost`, 127.0.0.0/8, ::1 and paths of unix sockets, and nothing else. No name is resolved. */
export function isLocalAddress (host: string): boolean {
  if (host.startsWith('/')) return true
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'))
}
