// What counts as one address: an IPv4 address, also when it is written as IPv6; of IPv6 the /64, since whoever has one address of
// a /64 has them all. Pure.
import { isIPv6 } from 'node:net'

/** The key under which connections, handshakes and failures of an address are counted. */
export function addressKey (address: string): string {
  const zoneless = address.split('%', 1)[0] as string
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(zoneless)
  if (mapped !== null) return mapped[1] as string
  if (!isIPv6(zoneless)) return zoneless
  return `${prefixOf(zoneless)}::/64`
}

/** As a person reads it, and as the audit trail has it: IPv4 without its IPv6 clothes. */
export function plainAddress (address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '')
}

/** The first four groups, without leading zeros. */
function prefixOf (address: string): string {
  const [head = '', tail] = address.split('::') as [string, string?]
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  // an IPv4 tail stands for two groups; it lies behind the prefix in any case
  const rightGroups = right.reduce((sum, group) => sum + (group.includes('.') ? 2 : 1), 0)
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - rightGroups)
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right].slice(0, 4)
  return groups.map((group) => group.toLowerCase().replace(/^0+(?=.)/, '')).join(':')
}
