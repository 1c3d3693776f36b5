// No column can say something else than the event that was hashed, whichever it is and whatever the texts are.
import { test } from 'tap'
import { append } from '../../../ingest/audit/append.ts'
import { type Fields, saysTheSame } from '../../../ingest/audit/columns.ts'
import { stamp } from '../../../ingest/audit/event.ts'
import { verifyTrail } from '../../../ingest/audit/verify.ts'
import { type AuditEvent } from '../../../runtime/audit.ts'
import { auditBench } from '../../fixtures/audit.ts'
import { needsServices } from '../../services/skip.ts'

const full: AuditEvent = {
  type: 'quarantine',
  subtype: 'viewed',
  action: 'R',
  outcome: 'minor-failure',
  reason: 'why "not"',
  purpose: 'a\tb\u0001c\u007f\u2028d\\u0000 é 😀 </x>',
  agent: { id: 'anna,{}@here', role: 'operator', address: '10.0.0.1', certificateIssuer: 'CN=x, O="y"', certificateSerial: '4A' },
  entity: { type: 'quarantine', id: '', tenant: 'null' },
  requestId: 'NULL',
  count: 3,
  detail: { b: 1e21, a: 'x"y', ccc: 0.1, 10: true, 9: null, __proto: '', é: 'ü' }
}

test('found: any column that says something else than the text, also nothing or more [C11]', needsServices, async (t) => {
  const { owner, ingest, folder, signer, tamper } = await auditBench(t)
  const { rows: columns } = await owner.query<{ name: string, type: string }>("SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute WHERE attrelid = 'audit'::regclass AND attgenerated = 's' ORDER BY attnum")
  t.equal(columns.length, 20)
  await append(ingest, columns.map(() => stamp(full, { node: 'här', version: '0' })))
  await (await signer()).sign()
  const verify = async (): Promise<Array<[string, number | null]>> => (await verifyTrail({ database: owner, folder })).faults.map(({ kind, number }) => [kind, number])
  t.strictSame(await verify(), [], 'whatever is in the texts, they are as they were written')
  for (const { name } of columns) await tamper(`ALTER TABLE audit ALTER COLUMN ${name} DROP EXPRESSION`, `ALTER TABLE audit ALTER COLUMN ${name} DROP NOT NULL`)
  t.strictSame(await verify(), [], 'that they are not computed any more is no harm yet')
  await tamper('ALTER TABLE audit DROP CONSTRAINT audit_action_check', 'ALTER TABLE audit DROP CONSTRAINT audit_outcome_check')
  const expected = columns.map((_, index) => ['altered', index + 1])
  for (const [what, valueOf] of [['a bit more', more], ['nothing', () => 'NULL']] as Array<[string, (column: { name: string, type: string }) => string]>) {
    for (const [index, column] of columns.entries()) await owner.query(`UPDATE audit SET ${column.name} = ${valueOf(column)} WHERE number = ${index + 1}`)
    t.strictSame(await verify(), expected, what)
  }
  await tamper('DROP VIEW audit_trail', 'DROP INDEX audit_named', 'ALTER TABLE audit ALTER COLUMN detail TYPE text', "UPDATE audit SET detail = 'no JSON'", 'ALTER TABLE audit ALTER COLUMN request_id TYPE int8 USING NULL')
  t.strictSame(await verify(), expected, 'of another type')
})

function more ({ name, type }: { name: string, type: string }): string {
  if (type === 'timestamp with time zone') return `${name} + INTERVAL '1 microsecond'`
  if (type === 'jsonb') return `${name} || '{"b": 1e20}'`
  return type === 'bigint' ? `${name} + 1` : `${name} || ' '`
}

test('another way to write the same JSON is no fault, another value is', async (t) => {
  const event: Fields = { atMs: 1, type: 'a', detail: { a: 1, b: [1], c: 'x' } }
  const texts = `[ "1000" , "\\u0061", ${'null, '.repeat(16)}"1"]`
  t.ok(saysTheSame({ texts, detail: '{"c":"x", "b": [1.0], "a": 1}' }, event))
  for (const detail of ['{"a":1,"b":[1]}', '{"a":1,"b":[2],"c":"x"}', '{"a":1,"b":[1],"c":"x","d":null}', '{"a":"1","b":[1],"c":"x"}', '[]', 'null', 'no JSON', '', null]) t.notOk(saysTheSame({ texts, detail }, event), String(detail))
  t.notOk(saysTheSame({ texts: texts.replace('"1"]', '"1", null]'), detail: '{"a":1,"b":[1],"c":"x"}' }, event))
})
