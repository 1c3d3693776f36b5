// `bench revocation`: how long a revocation takes to bite. A broker with a thousand live devices; one is revoked by the command a person
// would type, and the clock runs until its connection is closed. Counts the others that were disturbed: there must be none.
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { generate } from 'mqtt-packet'
import { initAuthority, type Authority, type IssuedDevice } from '../certs/authority.ts'
import { appendJournal } from '../certs/journal.ts'
import { type BenchOptions } from './arguments.ts'
import { startNodeServer } from './node-server.ts'
import { type Measurement, type Table } from './outcome.ts'
import { projectDirectory } from './places.ts'
import { inRounds, type Case } from './rounds.ts'
import { quantile, valuesOf, type Run } from './statistics.ts'
import { spreadText } from './summary.ts'

const live = 1_000
const listed = [0, 20_000] as const
const subject = 'Pulsegate broker'
const shapeOf = (serials: number): string => `${serials.toLocaleString('en')} on the list before`
const connectsAtATime = 50
const biteWithinMs = 20_000

interface Live { readonly device: IssuedDevice, readonly socket: TLSSocket }

async function connectOne (device: IssuedDevice, ca: string, port: number): Promise<Live> {
  const socket = connect({ host: '127.0.0.1', port, ca, key: device.keyPem, cert: device.chainPem })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: device.id, keepalive: 600 }))
  const [connack] = await once(socket, 'data') as [Buffer]
  if (connack[3] !== 0) throw new Error(`CONNACK ${connack[3]}`)
  return { device, socket }
}

/** Serials that are revoked already, as any long-lived fleet has them. */
async function fillList (authority: Authority, serials: number): Promise<void> {
  const at = new Date().toISOString()
  const notAfter = new Date(Date.now() + 7 * 86_400_000).toISOString()
  const entries = Array.from({ length: serials }, (_, i) => ({ serial: `4${(i + 1).toString(16).toUpperCase().padStart(31, '0')}`, id: randomUUID() }))
  await appendJournal(authority.paths.journal, entries.flatMap(({ serial, id }) => [
    { event: 'issued' as const, at, serial, role: 'device' as const, names: [id], notBefore: at, notAfter },
    { event: 'revoked' as const, at, serial, reason: 'keyCompromise' as const }
  ]))
  await authority.writeCrls()
}

async function runOne (serials: number): Promise<Record<string, number>> {
  const directory = await mkdtemp(join(tmpdir(), 'pulsegate-bench-revocation-'))
  const sockets: Live[] = []
  try {
    const authority = await initAuthority(directory)
    await authority.issueServer(['localhost', '127.0.0.1'])
    const devices = await authority.issueDevices(Array.from({ length: live }, () => randomUUID()))
    await fillList(authority, serials)
    const server = await startNodeServer('revoking', directory)
    const ca = await readFile(authority.paths.ca, 'utf8')
    try {
      for (let i = 0; i < live; i += connectsAtATime) sockets.push(...await Promise.all(devices.slice(i, i + connectsAtATime).map((device) => connectOne(device, ca, server.port))))
      return await revokeOne(directory, sockets)
    } finally {
      for (const { socket } of sockets) socket.destroy()
      await server.process.stop()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function revokeOne (directory: string, all: readonly Live[]): Promise<Record<string, number>> {
  const victim = all[Math.floor(all.length / 2)] as Live
  let others = 0
  for (const one of all) if (one !== victim) one.socket.once('close', () => { others++ })
  const closed = once(victim.socket.resume(), 'close', { signal: AbortSignal.timeout(biteWithinMs) }).then(() => performance.now())
  const startedMs = performance.now()
  const command = promisify(execFile)(process.execPath, [join(projectDirectory, 'dist/cli/main.js'), 'certs', 'revoke', victim.device.id, '--reason', 'keyCompromise', '--dir', directory])
  await command
  const saidMs = performance.now()
  const closedMs = await closed
  return { command: saidMs - startedMs, after: closedMs - saidMs, whole: closedMs - startedMs, disturbed: others }
}

function table (runs: readonly Run[]): Table {
  const rows = listed.map((serials) => {
    const of = (name: string): number[] => valuesOf(runs, subject, shapeOf(serials), name)
    return [shapeOf(serials), spreadText(of('command')), spreadText(of('after')), spreadText(of('whole')), String(Math.round(quantile(of('whole'), 1))), String(of('disturbed').reduce((a, b) => a + b, 0))]
  })
  return {
    title: `Revoking one of ${live.toLocaleString('en')} live devices`,
    note: 'ms. From typing `pulsegate certs revoke` to its end (a start of Node included), from its end to the closing of the device\'s connection (negative: before the command had ended), and both together.',
    columns: ['revocation list', 'command', 'until closed', 'whole', 'whole, worst', 'others disturbed'],
    rows
  }
}

export async function benchRevocation ({ rounds, only }: BenchOptions, onRun: (text: string) => void): Promise<Measurement> {
  const cases = listed.map((serials): Case => ({ subject, shape: shapeOf(serials), run: async () => await runOne(serials) }))
  const { runs, failures } = await inRounds(cases, { rounds, only, onRun })
  const worstMs = quantile(runs.map(({ values }) => values['after'] ?? NaN), 1)
  return { runs, failures, tables: [table(runs)], targets: [{ what: 'the device is out within 2 s of the command\'s end: 2,000 ms over the slowest', wanted: 1, got: 2_000 / Math.max(worstMs, 1) }] }
}
