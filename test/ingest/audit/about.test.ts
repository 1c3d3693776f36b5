// Everything that concerns a device, a subject or a person, wherever the trail names it; and that the whole trail is not read for it.
import { test } from 'tap'
import { listTrail } from '../../../ingest/audit/list.ts'
import { aboutCondition } from '../../../ingest/audit/about.ts'
import { openChainedLog } from '../../../ingest/audit/log.ts'
import { openDatabase } from '../../../ingest/database.ts'
import { type AuditEvent } from '../../../runtime/audit.ts'
import { quietObservability } from '../../../runtime/observability.ts'
import { deviceId } from '../../fixtures/deliveries.ts'
import { needsServices } from '../../services/skip.ts'
import { temporaryDatabase } from '../../services/timescaledb.ts'

const [device, other] = [deviceId(1), deviceId(2)] as const
const done = { outcome: 'success', agent: { id: 'nurse@ward7', role: 'operator' } } as const
const entity = { type: 'certificate', id: '0A' }
const concerning: readonly AuditEvent[] = [
  { ...done, type: 'device', subtype: 'registered', action: 'C', entity: { type: 'device', id: device } },
  { ...done, type: 'connection', subtype: 'accepted', action: 'E', agent: { id: device, role: 'device' } },
  { ...done, type: 'device', subtype: 'assigned', action: 'C', entity: { type: 'subject', id: 'subject-1' }, detail: { device } },
  { ...done, type: 'device', subtype: 'paired', action: 'C', entity: { type: 'device', id: other }, detail: { gateway: device } },
  { ...done, type: 'device', subtype: 'paired', action: 'C', entity: { type: 'device', id: other }, detail: { gateway: other, instead: device } },
  { ...done, type: 'certificate', subtype: 'revoked', action: 'U', entity, detail: { role: 'device', name: device } },
  { ...done, type: 'certificate', subtype: 'enrolment-refused', action: 'C', detail: { operation: 'enrol', claims: device } },
  { ...done, type: 'quarantine', subtype: 'viewed', action: 'R', entity: { type: 'quarantine', id: '7' }, detail: { publisher: device } },
  { ...done, type: 'quarantine', subtype: 'listed', action: 'R', detail: { source: device } }
]
const foreign: readonly AuditEvent[] = [
  { ...done, type: 'device', subtype: 'assigned', action: 'C', entity: { type: 'subject', id: 'subject-2' }, detail: { device: other } },
  { ...done, type: 'audit', subtype: 'listed', action: 'R', entity: { type: 'audit', id: 'trail' }, detail: { about: device, limit: 50 } },
  { ...done, type: 'process', subtype: 'started', action: 'E' }
]

test('about a device: as entity, as agent, and in the particulars', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t)
  const database = openDatabase(url)
  t.teardown(() => database.close())
  const log = openChainedLog({ database, agent: done.agent, observability: quietObservability(), spill: async () => {} })
  for (const event of [...concerning, ...foreign]) await log.recordNow(event)
  await log.close()
  const of = async (filter: Partial<Parameters<typeof listTrail>[1]>): Promise<number[]> => (await listTrail(database, { limit: 100, ...filter })).map(({ number }) => number).reverse()
  t.strictSame(await of({ about: device }), concerning.map((_, i) => i + 1))
  t.strictSame(await of({ about: device, type: 'certificate' }), [6, 7], 'beside the other filters')
  t.strictSame(await of({ about: device, before: 5, limit: 2 }), [3, 4], 'in pages')
  t.strictSame(await of({ about: 'subject-1' }), [3])
  t.strictSame(await of({ about: deviceId(77) }), [])
  t.equal((await of({ about: done.agent.id })).length, concerning.length + foreign.length - 1)

  const rows = await database.transaction(async (client) => {
    await client.query('SET LOCAL enable_seqscan = off')
    return (await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN SELECT number FROM audit_trail WHERE ${aboutCondition('$1')}`, [device])).rows
  })
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
  for (const index of ['audit_entity', 'audit_agent', 'audit_named']) t.match(plan, new RegExp(`\\b${index}\\b`), index)
  t.notMatch(plan, /Seq Scan/)
})
