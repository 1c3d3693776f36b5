// Copies the metric registry of schemas/ into the database's `metric` table, so that names and units in the readers' views
// are those of the running program. Entries are only ever added or corrected; none is taken away.
import { metrics } from '../schemas/metrics.ts'

interface Queryable {
  query (text: string, values: unknown[]): Promise<unknown>
}

/** Upserts every entry in one statement; rows that are already right are left alone. */
export async function copyMetrics (client: Queryable): Promise<void> {
  const rows = metrics.map((metric) => ({
    id: metric.id,
    name: metric.name,
    kinds: metric.kinds,
    unit: metric.ucum,
    exponent: metric.exponent,
    mdc: metric.mdc,
    loinc: metric.loinc,
    wave: metric.wave,
    plausible_low: metric.plausible?.low ?? null,
    plausible_high: metric.plausible?.high ?? null,
    hard_low: metric.hard?.low ?? null,
    hard_high: metric.hard?.high ?? null,
    verified: metric.verified
  }))
  await client.query(`
    INSERT INTO metric AS m SELECT r.* FROM jsonb_populate_recordset(NULL::metric, $1) AS r
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, kinds = excluded.kinds, unit = excluded.unit,
      exponent = excluded.exponent, mdc = excluded.mdc, loinc = excluded.loinc, wave = excluded.wave,
      plausible_low = excluded.plausible_low, plausible_high = excluded.plausible_high,
      hard_low = excluded.hard_low, hard_high = excluded.hard_high, verified = excluded.verified
    WHERE m IS DISTINCT FROM excluded`, [JSON.stringify(rows)])
}
