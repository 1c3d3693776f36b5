// Whether what is sealed is really closed: the master key's file and folder, data keys that another master key wraps, and messages that lie
// in quarantine in the clear.
import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { countPlain } from '../ingest/keys/list.ts'
import { folderFault, writableFault } from '../runtime/owner-only.ts'
import { checkMasterKey } from './doctor-keys.ts'
import { type Finding } from './doctor-finding.ts'
import { type SecurityCheck } from './doctor-security.ts'
import { findingOf } from './doctor-security-finding.ts'
import { lookInto } from './doctor-security-look.ts'
import { isFile, type KeyConfig, masterKeyPlace, openKeys } from './master-key.ts'

export const checkSealing: SecurityCheck = async ({ config }) => {
  const place = masterKeyPlace(config)
  const key = await checkMasterKey(config)
  return [
    ...key,
    ...isFile(place) ? [await folderFinding(dirname(place), isOurs(config))] : [],
    ...await lookInto('quarantine in the clear', config.databaseUrl, async (database) => {
      const plain = await countPlain(database)
      return [findingOf('quarantine in the clear', plain === 0 ? [] : [`${plain} messages from before sealing`], { fine: 'none', todo: '`pulsegate keys seal` seals them', status: 'warn' })]
    }),
    ...await lookInto('data keys under another master key', config.databaseUrl, async (database) => {
      const keys = await Promise.resolve().then(() => openKeys(config)).catch(() => null) // why it does not open is a finding above
      const current = await keys?.id().catch(() => null).finally(() => { keys.close() })
      if (current === null || current === undefined) return []
      const { rows } = await database.query<{ master: string, n: string }>('SELECT master, count(*) AS n FROM data_key WHERE wrapped IS NOT NULL AND master <> $1 GROUP BY 1 ORDER BY 1', [current])
      return [findingOf('data keys under another master key', rows.map(({ master, n }) => `${n} under ${master}`),
        { fine: 'none', todo: 'finish the rotation: `pulsegate keys rotate`, then destroy the old master key', status: 'warn' })]
    })
  ]
}

/** Pulsegate's own folder holds nothing else and is private; one that somebody named, such as /etc/pulsegate, may hold what others read. */
function isOurs (config: KeyConfig): boolean {
  return dirname(resolve(masterKeyPlace(config))) === dirname(resolve(masterKeyPlace({ data: config.data })))
}

async function folderFinding (path: string, isOurs: boolean): Promise<Finding> {
  const stats = await stat(path).catch(() => null)
  const fault = stats === null ? null : (isOurs ? folderFault : writableFault)({ path, mode: stats.mode, owner: stats.uid, us: process.geteuid?.() })
  return findingOf('folder of the master key', fault === null ? [] : [fault], { fine: isOurs ? 'closed to others' : 'only its owner can replace what is in it', todo: 'run the command named' })
}
