// The yardstick of `bench end-to-end`: what one would write without Pulsegate. A plain `mqtt` subscriber on a local broker
// decodes each message and writes multi-row INSERTs into the same table, one statement at a time, as many rows as have
// gathered meanwhile. No receipts, so a resend is stored twice; the device's PUBACK comes from the broker, long before.
import mqtt from 'mqtt'
import pg from 'pg'
import { decodeMessage } from '../../schemas/decode.ts'
import { metricById, toPhysical } from '../../schemas/metrics.ts'
import { parseTopic } from '../../schemas/topics.ts'
import { say, sayStored } from './say.ts'

// beyond some thousand rows a statement gains nothing; the protocol's own limit is 65,535 parameters
const maxRows = 5_000

const { databaseUrl, brokerPort } = JSON.parse(process.argv[2] ?? '') as { databaseUrl: string, brokerPort: number }

const database = new pg.Client({ connectionString: databaseUrl })
await database.connect()
const devices = new Map<string, number>()
for (const { id, key } of (await database.query<{ id: string, key: number }>('SELECT id, key FROM device')).rows) devices.set(id, key)

type Row = readonly [time: Date, value: number | null, device: number, metric: number, quality: number]
/** One entry a message, so that messages stored can be counted. */
const waiting: Row[][] = []
let stored = 0
let writing = false

function insertText (rows: number): string {
  const tuples = Array.from({ length: rows }, (_, i) => `($${i * 5 + 1},$${i * 5 + 2},$${i * 5 + 3},$${i * 5 + 4},$${i * 5 + 5})`)
  return `INSERT INTO sample (time, value, device, metric, quality) VALUES ${tuples.join(',')}`
}

async function write (): Promise<void> {
  writing = true
  while (waiting.length > 0) {
    const parameters: unknown[] = []
    let messages = 0
    for (; messages < waiting.length && parameters.length < maxRows * 5; messages++) {
      for (const row of waiting[messages] ?? []) parameters.push(...row)
    }
    waiting.splice(0, messages)
    await database.query(insertText(parameters.length / 5), parameters)
    stored += messages
  }
  writing = false
}

function take (topic: string, payload: Buffer): void {
  const device = devices.get(parseTopic(topic)?.device ?? '')
  const decoded = decodeMessage('telemetry', payload)
  if (device === undefined || !decoded.ok || decoded.message.kind !== 'telemetry') throw new Error('unexpected message')
  const { header, samples } = decoded.message
  const baseMs = header.baseWallMs ?? 0
  waiting.push(samples.map(({ metric, dtMs, value, quality }): Row => {
    const known = metricById(metric)
    if (known === undefined) throw new Error('unknown metric')
    return [new Date(baseMs + dtMs), value === null ? null : toPhysical(known, value), device, metric, quality]
  }))
  if (!writing) write().catch((error: unknown) => { throw error })
}

const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${brokerPort}`, { reconnectPeriod: 0, keepalive: 0 })
client.on('message', take)
await client.subscribeAsync('v1/+/telemetry', { qos: 1 })
say({ event: 'listening' })
sayStored(() => stored)
