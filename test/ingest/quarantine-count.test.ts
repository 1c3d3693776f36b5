// Counting quarantine: an index answers, whatever the size of the table, and the gauge follows it.
import { test } from 'tap'
import { countQuarantine } from '../../ingest/quarantine.ts'
import { startMaintenance } from '../../ingest/maintenance.ts'
import { openDatabase } from '../../ingest/database.ts'
import { startTelemetry } from '../../runtime/telemetry.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

const fill = `INSERT INTO quarantine (received_at, last_received_at, publisher, kind, reason, payload, digest, replayed_at)
  SELECT now(), now(), '00000000-0000-4000-8000-000000000001', 'telemetry',
    CASE WHEN n % 100 = 0 THEN 'not-paired' ELSE 'not-cbor' END, decode(repeat('00', 200), 'hex'), sha256(n::text::bytea), CASE WHEN n > 15000 THEN now() END
  FROM generate_series(1, 20000) AS n`

for (const edition of ['plain', 'timescaledb-apache'] as const) {
  test(`${edition}: by reason without reading a row, and no further than what waits`, needsServices, async (t) => {
    const { url } = await temporaryDatabase(t, { edition })
    const database = openDatabase(url)
    t.teardown(() => database.close())
    await database.query(fill)
    await database.query('VACUUM ANALYZE quarantine')
    t.strictSame(await countQuarantine(database), [{ reason: 'not-cbor', messages: 14_850 }, { reason: 'not-paired', messages: 150 }])
    const plan = async (text: string): Promise<string> => (await database.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`)).rows.map((row) => row['QUERY PLAN']).join('\n')
    t.match(await plan('SELECT reason, count(*) FROM quarantine WHERE replayed_at IS NULL GROUP BY reason'), /Index Only Scan using quarantine_waiting/)
    t.match(await plan("SELECT id, payload FROM quarantine WHERE replayed_at IS NULL AND reason = 'not-paired' AND id > 5000 AND id <= 20000 ORDER BY id LIMIT 500"),
      /Index Scan using quarantine_waiting[^]*Index Cond: \(\(reason = 'not-paired'::text\) AND \(id > 5000\)/, 'a page of a replay begins where the last one ended')
  })
}

test('the gauge says what is in quarantine now, counted as the ingest role; a reason that has gone is 0', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t)
  const owner = openDatabase(url)
  const worker = openDatabase(url, { role: 'pulsegate_ingest' })
  const telemetry = await startTelemetry({ serviceName: 'test' })
  const maintenance = startMaintenance({
    database: worker,
    observability: { ...quietObservability(), meter: telemetry.meter },
    retentionDays: 90,
    rollupEveryMs: 600_000,
    retainEveryMs: 600_000,
    countEveryMs: 600_000
  })
  t.teardown(async () => {
    await maintenance.close()
    await telemetry.close()
    await worker.close()
    await owner.close()
  })
  await owner.query(fill)
  t.equal(await maintenance.countQuarantine(), 15_000)
  t.match(await telemetry.prometheusText(), /^pulsegate_quarantine_rows\{reason="not-paired"\} 150$/m)
  await owner.query("UPDATE quarantine SET replayed_at = now() WHERE reason = 'not-paired'")
  t.match(await telemetry.prometheusText(), /^pulsegate_quarantine_rows\{reason="not-paired"\} 150$/m, 'a scrape counts nothing')
  t.equal(await maintenance.countQuarantine(), 14_850)
  t.match(await telemetry.prometheusText(), /^pulsegate_quarantine_rows\{reason="not-paired"\} 0$/m)
  t.match(await telemetry.prometheusText(), /^pulsegate_quarantine_rows\{reason="not-cbor"\} 14850$/m)
})
