// The database of a command, like open-database.ts, and an audit log on it: what the command does there is in the chain before it ends.
import { access } from 'node:fs/promises'
import { type Command } from 'commander'
import { auditFolder, type AuditFolder } from '../ingest/audit/folder.ts'
import { openChainedLog } from '../ingest/audit/log.ts'
import { startSigner } from '../ingest/audit/signer.ts'
import { type Database } from '../ingest/database.ts'
import { type AuditLog } from '../runtime/audit.ts'
import { spoolAll, type SpooledEvent } from '../runtime/audit-spool.ts'
import { quietObservability } from '../runtime/observability.ts'
import { addPurposeOption, operatorAgent } from './actor.ts'
import { auditDirOf } from './audit-process.ts'
import { addDatabaseOptions, withDatabase } from './open-database.ts'
import { addSettings, configOf } from './options.ts'

/** Adds the flags that `withAudited` reads, and --purpose. */
export function addAuditedOptions (command: Command): Command {
  return addPurposeOption(addSettings(addDatabaseOptions(command), ['auditDir']))
}

/** The folder of key and heads that `command` names; it need not be there. */
export function auditFolderOf (command: Command): AuditFolder {
  return auditFolder(auditDirOf(configOf(command, ['auditDir', 'data'])))
}

/**
 * Runs `work` on the database that `command` names, with an audit log whose events are committed before this resolves. Errors: those of
 * withDatabase; AUDIT_UNAVAILABLE of `recordNow`.
 */
export async function withAudited<T> (command: Command, work: (database: Database, audit: AuditLog) => Promise<T>): Promise<T> {
  const folder = auditFolderOf(command)
  return withDatabase(command, async (database) => {
    const audit = openChainedLog({ database, agent: operatorAgent(), observability: quietObservability(), spill: (events) => keep(folder, events) })
    try {
      return await work(database, audit)
    } finally {
      await audit.close()
      await signHere(database, folder, audit)
    }
  })
}

/** Where heads are signed on this machine, a command's events need not wait for the next minute; elsewhere a server signs them. */
async function signHere (database: Database, folder: AuditFolder, audit: AuditLog): Promise<void> {
  try {
    await access(folder.privateKey)
    const signer = await startSigner({ database, folder, observability: quietObservability(), audit })
    await signer.close()
  } catch {
    // no key here, or not ours to use
  }
}

/** Into the spool that a server takes in, where there is one; a command makes no folder of its own. */
async function keep (folder: AuditFolder, events: readonly SpooledEvent[]): Promise<void> {
  try {
    await access(folder.directory)
    await spoolAll(folder.spool, events)
  } catch {
    process.stderr.write(`pulsegate: ${events.length} audit events could not be written: ${events.map(({ event: { type, subtype } }) => `${type} ${subtype}`).slice(0, 5).join(', ')}\n`)
  }
}
