// `pulsegate doctor --security`: the list that an auditor of a fleet goes through (after AWS IoT Device Defender), each check a finding of
// its own with what to do. Reads files, settings and the database, changes nothing. One group of checks a file; a new group is a
// line in `groups`.
import { checkAuditTrail } from './doctor-security-audit.ts'
import { checkCertificateRecords } from './doctor-security-certificates.ts'
import { checkDatabaseRights } from './doctor-security-database.ts'
import { checkKeys } from './doctor-security-keys.ts'
import { checkNetwork } from './doctor-security-network.ts'
import { checkOpenFolders } from './doctor-security-files.ts'
import { checkSealing } from './doctor-security-master-key.ts'
import { checkRegistry } from './doctor-security-registry.ts'
import { checkTenantLogins } from './doctor-security-tenants.ts'
import { checkTokens } from './doctor-security-tokens.ts'
import { keySettingNames } from './master-key.ts'
import { type Finding } from './doctor-finding.ts'
import { type Config } from '../runtime/settings.ts'

export const securitySettings = [
  ...keySettingNames, 'certs', 'databaseUrl', 'redisUrl', 'mqttHost', 'healthHost', 'enrolment', 'allowWeakDurability'
] as const
export type SecurityConfig = Config<typeof securitySettings[number]>

export interface SecurityContext {
  readonly config: SecurityConfig
  /** Of the authority. */
  readonly certificates: string
  readonly nowMs: number
}

export type SecurityCheck = (context: SecurityContext) => Promise<Finding[]> | Finding[]

const groups: ReadonlyArray<readonly [name: string, check: SecurityCheck]> = [
  ['certificates', checkCertificateRecords],
  ['keys', checkKeys],
  ['files', checkOpenFolders],
  ['network', checkNetwork],
  ['database rights', checkDatabaseRights],
  ['registry', checkRegistry],
  ['sealing', checkSealing],
  ['tokens', checkTokens],
  ['tenant logins', checkTenantLogins],
  ['audit trail', checkAuditTrail]
]

/** Runs every group; a group that throws is a finding: what could not be looked at is not fine. */
export async function examineSecurity (config: SecurityConfig, nowMs: number = Date.now()): Promise<Finding[]> {
  const context = { config, certificates: config.certs ?? `${config.data}/certs`, nowMs }
  const findings = await Promise.all(groups.map(async ([name, check]) => {
    try {
      return await check(context)
    } catch (error) {
      return [{ name, status: 'fail', detail: error instanceof Error ? error.message : String(error), todo: 'mend this and look again: nothing of this group was checked' } satisfies Finding]
    }
  }))
  return findings.flat()
}
