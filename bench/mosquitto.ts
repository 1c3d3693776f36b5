// Mosquitto as yardstick: Debian's package, unpacked privately, with the same certificates and the same checks as our
// broker (mutual TLS, revocation list), persistence off and logging off. Beside TLS it listens in clear on this machine
// for its subscriber: TLS on that hop would only slow it down.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Identities } from './identities.ts'
import { cacheDirectory } from './places.ts'
import { Pinned, serverCore } from './pinned.ts'

export interface RunningMosquitto {
  readonly port: number
  readonly plainPort: number
  readonly pid: number
  stop (): Promise<void>
}

const startTimeoutMs = 10_000

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function configuration (identities: Identities, crlFile: string, port: number, plainPort: number): string {
  return [
    'user root', // else it changes to a user that may not read the key; without effect when it is not started by root
    'persistence false',
    'log_type none',
    'sys_interval 0',
    'allow_anonymous true',
    'set_tcp_nodelay true',
    // the defaults (20 in flight, 1,000 queued) make it drop acknowledged messages when its subscriber is a little late
    'max_inflight_messages 0',
    'max_queued_messages 0',
    `listener ${plainPort} 127.0.0.1`,
    `listener ${port} 127.0.0.1`,
    `cafile ${identities.caFile}`,
    `certfile ${identities.certFile}`,
    `keyfile ${identities.keyFile}`,
    `crlfile ${crlFile}`,
    'require_certificate true',
    'tls_version tlsv1.3',
    ''
  ].join('\n')
}

async function listens (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return await new Promise((resolve) => {
    socket.once('connect', () => { socket.destroy(); resolve(true) }).once('error', () => resolve(false))
  })
}

export async function startMosquitto (command: string, identities: Identities): Promise<RunningMosquitto> {
  const [port, plainPort] = [await freePort(), await freePort()]
  const folder = join(cacheDirectory, 'mosquitto')
  mkdirSync(folder, { recursive: true })
  const crlFile = join(folder, 'crl.pem')
  writeFileSync(crlFile, identities.crlFiles.map((file) => readFileSync(file, 'utf8')).join(''))
  const file = join(folder, 'mosquitto.conf')
  writeFileSync(file, configuration(identities, crlFile, port, plainPort))
  const server = new Pinned(serverCore, command, ['-c', file])
  for (const giveUpAt = Date.now() + startTimeoutMs; !(await listens(port));) {
    if (server.ended || Date.now() > giveUpAt) await server.until('listening') // throws with what it said
    await sleep(20)
  }
  return { port, plainPort, pid: server.pid, stop: async () => await server.stop() }
}
