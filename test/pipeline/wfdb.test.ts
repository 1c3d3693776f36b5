// Real input: a WFDB record goes through device, TLS, broker, ingest and TimescaleDB, and what the reader's views give back is the
// record: every sample of every channel; the header's checksums hold on the stored data. A bedside record where one is given
// (PULSEGATE_WFDB_RECORD, or ../shared/data/v102s beside the project), and always a small record of our own making.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { openDatabase } from '../../ingest/database.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { createEnrolment } from '../../simulator/enrol.ts'
import { createFleet } from '../../simulator/fleet.ts'
import { createPlayback } from '../../simulator/playback.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { checksum16, readWfdb } from '../../simulator/wfdb.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'
import { realRecord, smallRecord, writeRecord } from '../fixtures/wfdb.ts'

async function playAndReadBack (t: Test, headerFile: string, speed: number, skipped: string[] = []): Promise<void> {
  const { service, databaseUrl, pki } = await startPulsegate(t)
  const record = await readWfdb(headerFile)
  const playback = createPlayback(record, { speed })
  t.same(playback.skipped.map(({ name }) => name), skipped, 'every channel has a device that plays it, but those named')
  const directory = await mkdtemp(join(tmpdir(), 'pulsegate-wfdb-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const simulator = await startSimulator({
    url: service.url,
    ca: pki.ca,
    fleet: createFleet({ seed: 3, devices: playback.kinds.length, kinds: playback.kinds }),
    directory,
    credentials: await createEnrolment({ directory, authority: pki.authority }),
    playback,
    observability: quietObservability()
  })
  t.teardown(() => simulator.close())
  await simulator.finished
  t.ok(await simulator.drain({ graceMs: 60_000 }), 'everything played was acknowledged')

  // as a backend reads it: the reader's role, the reader's views
  const reader = openDatabase(databaseUrl, { role: 'pulsegate_reader' })
  t.teardown(() => reader.close())
  for (const { metric, signal } of playback.channels) {
    const { rows } = await reader.query<{ raw: number, value: number, ms: number }>(`
      SELECT raw, value, extract(epoch FROM time - min(time) OVER ()) * 1000 AS ms FROM wave_sample
      WHERE metric = $1 ORDER BY time`, [metric])
    const raw = rows.map((row) => row.raw)
    t.equal(raw.length, signal.values.length, `${metric}: every sample`)
    t.ok(raw.every((value, index) => value === signal.values[index]), `${metric}: each as it was recorded`)
    t.equal(checksum16(raw), signal.checksum, `${metric}: the header's checksum holds on what is stored`)
    t.equal(raw[0], signal.initialValue, `${metric}: and so does its initial value`)
    const last = rows.at(-1)
    t.equal(Math.round(Number(last?.ms)), Math.round((raw.length - 1) * 1_000 / signal.valuesPerS), `${metric}: without a gap in time`)
  }
}

for (const format of [16, 212] as const) {
  test(`a record of our own making, in format ${format}, comes back from the database as it was`, { timeout: 120_000 }, async (t) => {
    await playAndReadBack(t, writeRecord(t.testdir(), smallRecord(format)), 50, ['ABP'])
  })
}

const bedside = realRecord()

test('five minutes of a real bedside recording come back from the database as they were',
  { timeout: 300_000, skip: bedside === null ? 'no bedside record here (PULSEGATE_WFDB_RECORD); the records of our own making stand in' : false },
  async (t) => { await playAndReadBack(t, bedside ?? '', 100) })
