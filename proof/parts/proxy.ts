// A TCP proxy between a pair of the set-up (broker and Redis, worker and PostgreSQL, device and broker) that hurts the connections
// it carries, live ones included. Own code, since no library does this to a connection in mid-air. It forwards byte by byte
// until told otherwise, never changes or reorders a byte, and never lets a connection go on after bytes of it were lost:
// a fault here is one that TCP itself could give, so whatever breaks behind it is the fault of the one who broke.
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { choosePort } from './port.ts'
import { Link, type Address } from './proxy-link.ts'
import { Rules } from './proxy-rules.ts'

export type { Address } from './proxy-link.ts'

export interface ProxyOptions {
  readonly name: string
  /** Where connections go on to; a function is asked at each new connection. */
  readonly upstream: Address | (() => Address)
  readonly host?: string
}

export interface ProxyStats {
  /** Open now, the half-open ones included. */
  readonly connections: number
  /** Taken since the proxy was opened. */
  readonly accepted: number
  /** Forwarded, client → upstream. */
  readonly bytesUp: number
  /** Forwarded, upstream → client. */
  readonly bytesDown: number
  /** Taken from one side and not yet given to the other; at most about 1 MiB a direction and connection. */
  readonly bufferedBytes: number
}

export interface Proxy {
  readonly name: string
  readonly host: string
  readonly port: number
  /** RST to both sides of all connections; they may come again. */
  cut (): void
  /** Listen no more (a client gets ECONNREFUSED; connections there are go on), or listen again on the same port. */
  refuse (on: boolean): Promise<void>
  /** Holds all bytes back for `ms`, each direction; 0 ends it. */
  delay (ms: number): void
  /** Bytes from upstream are thrown away, requests go on. When it ends, connections that lost a byte are cut. */
  dropReplies (on: boolean): void
  /** Connections there are: nothing is forwarded any more, and neither FIN nor RST is sent. New ones work. */
  halfOpen (): void
  /** The next chunk (of 2 bytes or more) that a client sends: half of its bytes go on, then both sides are reset. */
  resetMidFrame (): void
  /** At most so many bytes per second in each direction, over all connections; null: no limit. */
  throttle (bytesPerS: number | null): void
  /** Ends every fault. Connections that lost bytes or were half-open are cut, the others go on. */
  heal (): Promise<void>
  stats (): ProxyStats
  /** Cuts everything and listens no more. */
  close (): Promise<void>
}

/** Opens a proxy on a free port. */
export async function openProxy ({ name, upstream, host = '127.0.0.1' }: ProxyOptions): Promise<Proxy> {
  const rules = new Rules()
  const links = new Set<Link>()
  let accepted = 0

  function accept (client: Socket): void {
    accepted += 1
    links.add(new Link(client, typeof upstream === 'function' ? upstream() : upstream, rules, (link) => links.delete(link)))
  }
  const pump = () => { for (const link of links) link.pump() }
  const cut = (which: (link: Link) => boolean) => { for (const link of links) if (which(link)) link.cut() }

  let server: Server | null = await listenSomewhere(host, accept)
  const { port } = server.address() as { port: number }

  async function refuse (on: boolean): Promise<void> {
    if (on) {
      server?.close() // the port is free at once; its 'close' waits for the connections, which go on
      server = null
    } else server ??= await listen(host, port, accept)
  }

  return {
    name,
    host,
    port,
    refuse,
    cut: () => cut(() => true),
    delay: (ms) => { rules.delayMs = ms; pump() },
    dropReplies: (on) => {
      rules.dropReplies = on
      if (!on) cut((link) => link.torn && !link.held)
    },
    halfOpen: () => { for (const link of links) link.hold() },
    resetMidFrame: () => { rules.midFrame = true },
    throttle: (bytesPerS) => { rules.throttle(bytesPerS); pump() },
    heal: async () => {
      rules.clear()
      cut((link) => link.torn)
      pump()
      await refuse(false)
    },
    stats: () => ({
      connections: links.size,
      accepted,
      bytesUp: rules.forwarded.up,
      bytesDown: rules.forwarded.down,
      bufferedBytes: [...links].reduce((sum, link) => sum + link.bufferedBytes, 0)
    }),
    close: async () => {
      await refuse(true)
      cut(() => true)
      await Promise.all([...links].map((link) => link.closed))
    }
  }
}

/** Somebody may take a port between our look and our listening: then another is chosen. */
async function listenSomewhere (host: string, accept: (socket: Socket) => void): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listen(host, choosePort(), accept)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === 10) throw error
    }
  }
}

async function listen (host: string, port: number, accept: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, accept)
  server.listen(port, host, 511)
  await once(server, 'listening')
  return server
}
