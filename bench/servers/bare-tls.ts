// The floor of `bench accept`: what node:tls alone costs. Mutual TLS, our framing, and a PUBACK for every PUBLISH at once; no
// identity, rights, bounds, queue or Aedes. Never use it for anything else. Takes the files of `Identities` as one JSON argument.
import { readFileSync } from 'node:fs'
import { type AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { FrameReader } from '../../broker/frames.ts'
import { packetType } from '../../broker/packets.ts'
import { type Identities } from '../identities.ts'
import { say, untilStopped } from './say.ts'

const { keyFile, certFile, caFile } = JSON.parse(process.argv[2] ?? '') as Identities
const connack = Buffer.from([0x20, 2, 0, 0])

interface Due { readonly socket: TLSSocket, ids: number[] }

// as the broker does it: one write a connection and turn of the event loop
let due: Due[] = []

function acknowledge (): void {
  const all = due
  due = []
  for (const one of all) {
    const bytes = Buffer.allocUnsafe(4 * one.ids.length)
    one.ids.forEach((id, i) => bytes.writeUInt32BE(0x4002_0000 | id, 4 * i)) // PUBACK, MQTT 3.1.1, 3.4
    one.ids = []
    one.socket.write(bytes)
  }
}

function serve (socket: TLSSocket): void {
  const mine: Due = { socket, ids: [] }
  const reader = new FrameReader({
    blocked: false,
    maxFrameBytes: 1024 * 1024,
    frame (buffer, start, body) {
      const type = (buffer[start] as number) >> 4
      if (type === packetType.connect) socket.write(connack)
      if (type !== packetType.publish) return
      const idAt = body + 2 + buffer.readUInt16BE(body)
      if (due.length === 0) setImmediate(acknowledge)
      if (mine.ids.push(buffer.readUInt16BE(idAt)) === 1) due.push(mine)
    },
    broken () { socket.destroy() }
  })
  socket.on('data', (chunk: Buffer) => reader.read(chunk))
  socket.on('error', () => socket.destroy())
}

const tls = { key: readFileSync(keyFile), cert: readFileSync(certFile), ca: readFileSync(caFile), requestCert: true, rejectUnauthorized: true }
const server = createServer({ ...tls, noDelay: true }, serve)
server.listen(0, '127.0.0.1', () => say({ event: 'listening', port: (server.address() as AddressInfo).port }))
await untilStopped()
process.exit(0)
