// `bench connections`: what it costs to come back and to stay. Full and resumed connects (handshake, CONNECT, CONNACK, leave)
// a second on one core, and resident memory per idle connection, of our broker and of Mosquitto.
import { execFileSync } from 'node:child_process'
import { type BenchOptions } from './arguments.ts'
import { residentKiB } from './cpu.ts'
import { connectLoad, whileHolding, type LoadTarget } from './generator.ts'
import { identities, type Identities } from './identities.ts'
import { startMosquitto } from './mosquitto.ts'
import { startNodeServer } from './node-server.ts'
import { shown, type Measurement, type Table } from './outcome.ts'
import { inRounds, type Case } from './rounds.ts'
import { median, ratiosOf, valuesOf, type Run } from './statistics.ts'
import { isSaturated, spreadText } from './summary.ts'
import { mosquittoCommand } from './tools.ts'

const subjects = ['Pulsegate broker', 'Mosquitto'] as const
type Subject = typeof subjects[number]
const shapes = ['full handshake', 'resumed session'] as const
const idleShape = 'idle'

/** Connects under way at a time: enough to keep a core busy, few enough to fit any listen backlog. */
const atATime = 64
const idleConnections = 5_000
/** Beside the connections themselves: standard streams, listeners, epoll. */
const spareDescriptors = 200

interface Server { readonly port: number, readonly pid: number, stop (): Promise<void> }

async function start (subject: Subject, devices: Identities, profile: string): Promise<Server> {
  if (subject === 'Mosquitto') return await startMosquitto(await mosquittoCommand(), devices)
  const { process, port } = await startNodeServer('accept', devices, profile)
  return { port, pid: process.pid, stop: async () => await process.stop() }
}

async function runConnects (target: LoadTarget, resume: boolean): Promise<Record<string, number>> {
  const { connects, resumed, seconds, generatorCpu, cpuMs } = await connectLoad(target, atATime, resume)
  if (resume && resumed < connects * 0.9) throw new Error(`only ${resumed} of ${connects} connects were resumed`)
  const cpu = cpuMs['server'] ?? NaN
  return { rate: connects / seconds, us: cpu * 1_000 / connects, core: cpu / 1_000 / seconds, generator: generatorCpu }
}

async function runIdle (server: Server, target: LoadTarget, connections: number): Promise<Record<string, number>> {
  const before = residentKiB(server.pid)
  const after = await whileHolding(target, connections, async () => residentKiB(server.pid))
  return { kib: (after - before) / connections, connections, totalMib: after / 1_024 }
}

function descriptorLimit (): number {
  const text = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim()
  return text === 'unlimited' ? Infinity : Number(text)
}

function tables (runs: readonly Run[], connections: number): Table[] {
  const rows = shapes.flatMap((shape) => subjects.map((subject) => [
    `${subject}, ${shape}`,
    spreadText(valuesOf(runs, subject, shape, 'rate', isSaturated)),
    `${valuesOf(runs, subject, shape, 'rate', isSaturated).length} of ${valuesOf(runs, subject, shape, 'rate').length}`,
    spreadText(valuesOf(runs, subject, shape, 'us').map((us) => us / 1_000)),
    shown(median(ratiosOf(runs, subject, subjects[0], shape, 'us')))
  ]))
  const idle = subjects.map((subject) => [
    subject,
    spreadText(valuesOf(runs, subject, idleShape, 'kib')),
    shown(median(valuesOf(runs, subject, idleShape, 'totalMib')))
  ])
  return [{
    title: 'Connecting',
    note: 'TCP and TLS 1.3 handshake with client certificate, CONNECT, CONNACK, DISCONNECT; both check the client against the revocation list. Ratio above 1: ours needs less CPU.',
    columns: ['system', 'connects/s', 'rounds', 'CPU ms/connect', 'CPU ratio to ours'],
    rows
  }, {
    title: `Memory of ${connections.toLocaleString('en')} idle connections`,
    note: 'Resident memory of the server process with all connections open, less what it had before, per connection.',
    columns: ['system', 'KiB/connection', 'process MiB'],
    rows: idle
  }]
}

export async function benchConnections ({ rounds, seconds, only, profile }: BenchOptions, onRun: (text: string) => void): Promise<Measurement> {
  const connections = Math.min(idleConnections, descriptorLimit() - spareDescriptors)
  if (connections < idleConnections) process.stderr.write(`bench: \`ulimit -n\` allows only ${connections} connections; raise it for ${idleConnections}\n`)
  const devices = await identities(Math.max(connections, 4 * atATime))
  const withServer = (subject: Subject, body: (server: Server, target: LoadTarget) => Promise<Record<string, number>>) => async () => {
    const server = await start(subject, devices, profile)
    try {
      return await body(server, { port: server.port, identities: devices, seconds, watch: { server: server.pid } })
    } finally {
      await server.stop()
    }
  }
  const cases = subjects.flatMap((subject): Case[] => [
    ...shapes.map((shape): Case => ({
      subject, shape, run: withServer(subject, async (_, target) => await runConnects(target, shape === 'resumed session'))
    })),
    { subject, shape: idleShape, run: withServer(subject, async (server, target) => await runIdle(server, target, connections)) }
  ])
  const { runs, failures } = await inRounds(cases, { rounds, only, onRun })
  return { runs, failures, tables: tables(runs, connections), targets: [] }
}
