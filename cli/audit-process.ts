// The audit trail of a long-running process: its log on connections of its own, the signer of heads, the taker of spools, its line in
// /readyz; and what every process tells of itself: that it started, with which configuration, that it stopped.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalJson, type Json } from '../ingest/audit/canonical.ts'
import { schemaMigrated, service } from '../ingest/audit/events.ts'
import { auditFolder } from '../ingest/audit/folder.ts'
import { type ChainedLog, openChainedLog } from '../ingest/audit/log.ts'
import { type HeadSigner, startSigner } from '../ingest/audit/signer.ts'
import { startSpoolTaker } from '../ingest/audit/spool.ts'
import { orAborted } from '../runtime/abort.ts'
import { type AuditAgent, type AuditEvent, type AuditLog } from '../runtime/audit.ts'
import { spoolAll } from '../runtime/audit-spool.ts'
import { type CheckResult, type Health } from '../runtime/health.ts'
import { writeWhole } from '../runtime/private-file.ts'
import { uniqueName } from '../runtime/process-name.ts'
import { openOne, type PartsContext } from './parts.ts'

export interface ProcessAuditOptions {
  /** What of Pulsegate it is. */
  readonly part: 'up' | 'broker' | 'ingest'
  readonly databaseUrl: string
  readonly role?: 'pulsegate_ingest' | 'pulsegate_broker'
  /** Of key and heads; see auditDirOf. */
  readonly directory: string
  /** Folders in which others without a database leave events. */
  readonly spools?: readonly string[]
  /** What the process was told; only a digest of it is recorded, and nothing secret goes into that. */
  readonly configuration: object
  /** Migrations that it has just applied. */
  readonly applied?: readonly string[]
}

// an append takes milliseconds; what does not answer by then is away
const statementTimeoutMs = 5_000
const lastWordsMs = 3_000

/** Where key and heads of the audit trail are kept. */
export function auditDirOf ({ auditDir, data }: { readonly auditDir?: string, readonly data: string }): string {
  return auditDir ?? join(data, 'audit')
}

/** Closed with the lifecycle, after everything that is opened later. Errors: AUDIT_FOLDER, AUDIT_KEY_EXPOSED, AUDIT_KEY_INVALID. */
export async function openProcessAudit (options: ProcessAuditOptions, context: PartsContext & { readonly health: Health }): Promise<AuditLog> {
  const { part, databaseUrl, role, directory, spools = [], configuration, applied = [] } = options
  const { lifecycle, observability, health } = context
  const folder = auditFolder(directory)
  const agent = service(`pulsegate ${part}`)
  const database = openOne(databaseUrl, `pulsegate audit ${part}`, role, { poolSize: 3, statementTimeoutMs }, context)
  const log = openChainedLog({ database, agent, observability, spill: (events) => spoolAll(folder.spool, events) })
  const signer = await startSigner({ database, folder, observability, audit: log }).catch(async (error: unknown) => {
    await log.close(AbortSignal.abort())
    throw error
  })
  const spool = startSpoolTaker({ database, folders: [folder.spool, ...spools], observability })
  const forget = health.register('audit', () => together(log, signer))

  const process = about(agent, { type: 'process', id: uniqueName() })
  if (applied.length > 0) log.record(schemaMigrated(agent, applied, await database.edition()))
  log.record({ ...process, type: 'process', subtype: 'started' })
  log.record(await configurationEvent(agent, part, directory, configuration))
  lifecycle.onClose('audit trail', async (hard) => {
    log.record({ ...process, type: 'process', subtype: 'stopped', detail: { why: String(lifecycle.stopping.reason) } })
    // a database that does not answer gets some seconds of the grace period, not all of it
    await Promise.all([log.close(hard), withinReason(spool.close(), hard)])
    await withinReason(signer.close(), hard)
    forget()
  })
  return log
}

async function withinReason (work: Promise<void>, hard: AbortSignal): Promise<void> {
  await orAborted(work, AbortSignal.any([hard, AbortSignal.timeout(lastWordsMs)])).catch(() => {})
}

function about (agent: AuditAgent, entity: NonNullable<AuditEvent['entity']>): { action: 'E', outcome: 'success', agent: AuditAgent, entity: NonNullable<AuditEvent['entity']> } {
  return { action: 'E', outcome: 'success', agent, entity }
}

/** Never a reason to send devices elsewhere, always one to look. */
function together (log: ChainedLog, signer: HeadSigner): CheckResult {
  const checks = [log.check(), signer.check()]
  const reasons = checks.flatMap(({ reason }) => reason ?? [])
  return { ready: true, ...(reasons.length > 0 && { reason: reasons.join('; ') }), detail: Object.assign({}, ...checks.map(({ detail }) => detail)) as NonNullable<CheckResult['detail']> }
}

/** `changed` when the digest is another than at this part's last start; the file says which that was. */
async function configurationEvent (agent: AuditAgent, part: string, directory: string, configuration: object): Promise<AuditEvent> {
  const file = join(directory, `configuration-${part}.sha256`)
  const digest = configurationDigest(configuration)
  const before = await readFile(file, 'utf8').then((text) => text.trim(), () => '')
  if (before !== digest) await writeWhole(file, `${digest}\n`, { mode: 0o600, overwrite: true })
  const changed = before !== '' && before !== digest
  return { type: 'configuration', subtype: changed ? 'changed' : 'loaded', action: changed ? 'U' : 'R', outcome: 'success', agent, entity: { type: 'configuration', id: part }, detail: { digest, ...(changed && { before }) } }
}

/** SHA-256 of what the process was told, without addresses that may hold a password, secrets, and what is no data. */
export function configurationDigest (configuration: object): string {
  return createHash('sha256').update(canonicalJson(plain(configuration) ?? null)).digest('hex')
}

function plain (value: unknown): Json | undefined {
  if (Array.isArray(value)) return value.map((one) => plain(one) ?? null)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).filter(([key]) => !/url|secret|password|passphrase|token/i.test(key)).map(([key, one]) => [key, plain(one)]))
  }
  return ['string', 'number', 'boolean'].includes(typeof value) ? value as Json : undefined
}
