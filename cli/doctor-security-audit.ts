// What the audit trail says, and whether anybody has looked that it says the truth: rows that no signed head covers, a head that is too old,
// a trail that was not verified lately or not found whole, and devices whose identity two clients used.
import { type Database } from '../ingest/database.ts'
import { type Finding } from './doctor-finding.ts'
import { type SecurityCheck } from './doctor-security.ts'
import { findingOf } from './doctor-security-finding.ts'
import { lookInto } from './doctor-security-look.ts'

const dayMs = 86_400_000
/** Heads are signed every minute while rows come. */
const unsignedAfterMs = 3_600_000
const verifiedWithinMs = 30 * dayMs
const clonesWithinMs = 30 * dayMs

interface Trail {
  readonly first: Date | null
  /** When the oldest row was recorded that no head covers. */
  readonly unsigned: Date | null
  readonly verified: Date | null
  readonly whole: boolean | null
}

export const checkAuditTrail: SecurityCheck = ({ config: { databaseUrl }, nowMs }) => lookInto('audit trail', databaseUrl, async (database) => {
  const { rows: [trail] } = await database.query<Trail>(`SELECT
    (SELECT recorded FROM audit_trail ORDER BY number LIMIT 1) AS first,
    (SELECT recorded FROM audit_trail WHERE number > (SELECT coalesce(max(number), 0) FROM audit_head) ORDER BY number LIMIT 1) AS unsigned,
    v.recorded AS verified, v.outcome = 'success' AS whole
    FROM (SELECT) AS one LEFT JOIN (SELECT recorded, outcome FROM audit_trail WHERE type = 'audit' AND subtype = 'verified' ORDER BY number DESC LIMIT 1) AS v ON true`)
  return [...trail === undefined ? [] : trailFindings(trail, nowMs), await cloneFinding(database, nowMs)]
})

function trailFindings ({ first, unsigned, verified, whole }: Trail, nowMs: number): Finding[] {
  const since = (time: Date | null) => time === null ? 0 : nowMs - time.getTime()
  const day = (time: Date) => time.toISOString().slice(0, 10)
  const unverified = verified === null ? (since(first) > verifiedWithinMs ? ['never verified'] : []) : (since(verified) > verifiedWithinMs ? [`last verified ${day(verified)}`] : [])
  return [
    findingOf('audit trail not signed', unsigned !== null && since(unsigned) > unsignedAfterMs ? [`rows since ${unsigned.toISOString()} have no signed head`] : [],
      { fine: 'signed within the hour', todo: 'look at the log of the process that signs: until it does, rows can be cut off unseen' }),
    findingOf('audit trail not verified', unverified, { fine: 'within 30 days', todo: '`pulsegate audit verify`, with a public key from elsewhere', status: 'warn' }),
    findingOf('audit trail not whole', whole === false && verified !== null ? [`the verification of ${day(verified)} found faults`] : [],
      { fine: 'no fault was found', todo: '`pulsegate audit verify` says where; docs/security/audit.md says what to do' })
  ]
}

async function cloneFinding (database: Database, nowMs: number): Promise<Finding> {
  const { rows } = await database.query<{ device: string, last: Date }>(`
    SELECT coalesce(entity, agent) AS device, max(recorded) AS last FROM audit_trail
    WHERE type = 'security' AND subtype = 'clone' AND recorded > $1 GROUP BY 1 ORDER BY 2 DESC LIMIT 1000`, [new Date(nowMs - clonesWithinMs)])
  return findingOf('clones', rows.map(({ device, last }) => `${device}, last ${last.toISOString().slice(0, 10)}`),
    { fine: 'none within 30 days', todo: 'two clients used one identity: find out which is the real one, revoke the certificate of the other', status: 'warn' })
}
