// Addresses for parts that are killed and started again on the same port. Such a port must not lie in the range the kernel
// takes for outgoing connections: while the part is dead, somebody's connection could take it, and a client that tries the
// dead port again and again is one day given that very port as its own and connects to itself (TCP's simultaneous open).
import { readFileSync } from 'node:fs'

const lowest = 20_000
const highest = 32_000

/** A port on 127.0.0.1 that nobody uses now, below the range of outgoing connections. Different at each call, by chance. */
export function choosePort (random: () => number = Math.random): number {
  const end = Math.min(highest, outgoingFrom())
  const start = Math.min(lowest, end - 5_000)
  const used = usedPorts()
  for (let attempt = 0; attempt < 1_000; attempt++) {
    const port = start + Math.floor(random() * (end - start))
    if (!used.has(port)) return port
  }
  throw new Error(`no free port between ${start} and ${end}`)
}

/** Where the kernel's range for outgoing connections begins. */
function outgoingFrom (): number {
  try {
    const first = Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10)
    return first > 10_000 ? first : highest // a machine that gives out nearly all ports: there is no better place
  } catch {
    return highest // macOS and others begin at 49152
  }
}

/** Local ports of all TCP sockets, the closing ones too. Empty where there is no /proc: then the start of the part will tell. */
function usedPorts (): Set<number> {
  const used = new Set<number>()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readLines(table).slice(1)) {
      const local = line.trim().split(/\s+/)[1] ?? ''
      used.add(Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16))
    }
  }
  return used
}

function readLines (path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch {
    return []
  }
}
