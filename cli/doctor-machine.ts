// What doctor looks at on the machine: Node, the limit of open files, the data folder and its disk, the ports.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, resolve } from 'node:path'
import { type DoctorConfig, type Finding } from './doctor-finding.ts'

/** Below it a day of a small ward fits, and PostgreSQL's WAL; less ends in an outage within days. */
const comfortableBytes = 5_000_000_000
/** A socket per device, and some for database, files and metrics. */
const comfortableOpenFiles = 4_096

export function checkNode (version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const good = major > 20 || (major === 20 && minor >= 19)
  return good
    ? { name: 'Node', status: 'ok', detail: version }
    : { name: 'Node', status: 'fail', detail: `${version} is too old`, todo: 'install Node 20.19 or later' }
}

export function checkOpenFiles (): Finding {
  // Node raises its own soft limit to the hard one at start; a child inherits it
  const { stdout } = spawnSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8' })
  const limit = stdout?.trim() === 'unlimited' ? Infinity : Number(stdout)
  if (!(limit > 0)) return { name: 'open files', status: 'warn', detail: 'the limit could not be read' }
  return limit >= comfortableOpenFiles
    ? { name: 'open files', status: 'ok', detail: `up to ${limit}` }
    : { name: 'open files', status: 'warn', detail: `at most ${limit}: about as many devices can be connected`, todo: `raise it: ulimit -n ${comfortableOpenFiles}, or LimitNOFILE= in the service` }
}

/** Can the data folder be made or written, and is there room on its disk? */
export async function checkFolder (data: string): Promise<Finding[]> {
  const wanted = resolve(data)
  const there = await nearestExisting(wanted)
  const writable = await access(there, constants.W_OK | constants.X_OK).then(() => true, () => false)
  if (!writable || !(await stat(there)).isDirectory()) {
    return [{ name: 'data folder', status: 'fail', detail: `${there} cannot be written`, todo: 'give it to this user, or choose another folder with --data' }]
  }
  const { bavail, bsize } = await statfs(there)
  const free = bavail * bsize
  const room: Finding = free >= comfortableBytes
    ? { name: 'disk', status: 'ok', detail: `${gigabytes(free)} free` }
    : { name: 'disk', status: free < comfortableBytes / 10 ? 'fail' : 'warn', detail: `only ${gigabytes(free)} free`, todo: 'make room, or lower --retention' }
  return [{ name: 'data folder', status: 'ok', detail: there === wanted ? wanted : `${wanted} will be made` }, room]
}

async function nearestExisting (path: string): Promise<string> {
  const exists = await stat(path).then(() => true, () => false)
  return exists || path === dirname(path) ? path : nearestExisting(dirname(path))
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`

/** Can the ports be taken? A Pulsegate that runs already and answers is fine too. */
export async function checkPorts ({ mqttHost, mqttPort, healthHost, healthPort }: DoctorConfig): Promise<Finding[]> {
  const running = healthPort !== 0 && await pulsegateAnswers(healthHost, healthPort)
  return Promise.all([
    checkPort('MQTT port', mqttHost, mqttPort, '--mqtt-port', running),
    checkPort('health port', healthHost, healthPort, '--health-port', running)
  ])
}

async function checkPort (name: string, host: string, port: number, flag: string, running: boolean): Promise<Finding> {
  const code = await tryListen(host, port)
  if (code === null) return { name, status: 'ok', detail: port === 0 ? 'any free one' : `${host}:${port} is free` }
  if (code === 'EADDRINUSE' && running) return { name, status: 'ok', detail: `${host}:${port} is taken, and a Pulsegate is running` }
  const todo = code === 'EACCES' ? `ports below 1024 need rights; choose another with ${flag}` : `stop what listens there, or choose another with ${flag}`
  return { name, status: 'fail', detail: `${host}:${port} cannot be taken (${code})`, todo }
}

async function tryListen (host: string, port: number): Promise<string | null> {
  const server = createServer()
  try {
    server.listen(port, host)
    await once(server, 'listening')
    return null
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  } finally {
    server.close()
  }
}

async function pulsegateAnswers (host: string, port: number): Promise<boolean> {
  const name = host.includes(':') ? `[${host}]` : host
  try {
    const response = await fetch(`http://${name}:${port}/healthz`, { signal: AbortSignal.timeout(2_000) })
    return response.ok && 'alive' in (await response.json() as object)
  } catch {
    return false
  }
}
