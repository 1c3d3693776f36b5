// The measured process of `bench ingest`: our writer, one batch after the other, each sorted, written and committed.
// `resent`: every message is stored already, and the writer is a new one that remembers nothing (as after a restart).
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { openDatabase } from '../../ingest/database.ts'
import { DataKeys } from '../../ingest/keys/data-keys.ts'
import { localKeyService } from '../../ingest/keys/local-key.ts'
import { Writer } from '../../ingest/writer.ts'
import { columnsOf, preparedBatch, type BatchShape } from '../batches.ts'
import { say } from './say.ts'

// time for a watcher to read the CPU times before and after
const watchMs = 100

const { databaseUrl, shape, warmBatches, startMs, resent } = JSON.parse(process.argv[2] ?? '') as {
  databaseUrl: string, shape: BatchShape, warmBatches: number, startMs: number, resent: boolean
}

const database = openDatabase(databaseUrl, { role: 'pulsegate_ingest' })
const all = Array.from({ length: warmBatches + shape.batches }, (_, batch) => columnsOf(shape, batch, startMs))

async function writeAll (writer: Writer, from: number, to: number): Promise<number> {
  let stored = 0
  for (const columns of all.slice(from, to)) stored += (await writer.write(preparedBatch(columns))).samples
  return stored
}

// nothing here goes to quarantine, so no key is ever made
const keys = new DataKeys({ database, keys: localKeyService(randomBytes(32)) })
if (resent) await writeAll(new Writer(database, keys), 0, all.length)
const writer = new Writer(database, keys)
await writeAll(writer, 0, warmBatches)
say({ event: 'measuring' })
await sleep(watchMs)
const started = performance.now()
const stored = await writeAll(writer, warmBatches, all.length)
const seconds = (performance.now() - started) / 1_000
say({ event: 'measured', seconds, stored })
await sleep(watchMs)
await database.close()
say({ event: 'result' })
