// What doctor looks at of protection: is the master key there and private, does the key service answer, what leaves the machine unencrypted.
import { stat } from 'node:fs/promises'
import { PulsegateError } from '../runtime/errors.ts'
import { type DoctorConfig, type Finding } from './doctor-finding.ts'
import { isFile, type KeyConfig, masterKeyPlace, openKeys } from './master-key.ts'
import { plainConnections } from './plain-connections.ts'

/** Nothing to say of connections that are not configured. */
export function checkEncryption ({ databaseUrl, redisUrl }: DoctorConfig): Finding[] {
  const name = 'encryption'
  if (databaseUrl === undefined && redisUrl === undefined) return []
  try {
    const plain = plainConnections({ ...(databaseUrl !== undefined && { databaseUrl }), ...(redisUrl !== undefined && { redisUrl }) })
    return [plain.length === 0
      ? { name, status: 'ok', detail: 'what leaves this machine is encrypted and verified' }
      : { name, status: 'warn', detail: `${plain.join(' and ')}: not encrypted to another machine, as the URL demands`, todo: 'give the server a certificate; then sslmode=verify-full, rediss://' }]
  } catch (error) {
    if (error instanceof PulsegateError) return [{ name, status: 'fail', detail: error.message, todo: error.entry.remedy }]
    throw error
  }
}

export async function checkMasterKey (config: KeyConfig): Promise<Finding[]> {
  const name = 'master key'
  const place = masterKeyPlace(config)
  if (config.masterKey === undefined && isFile(place) && !await stat(place).then(() => true, () => false)) {
    return [{ name, status: 'ok', detail: `none at ${place} yet; \`pulsegate up\` or \`pulsegate keys init\` makes it` }]
  }
  try {
    const keys = openKeys(config)
    const id = await keys.id().finally(() => { keys.close() })
    return [{ name, status: 'ok', detail: `${keys.place}, ${id}` }]
  } catch (error) {
    if (error instanceof PulsegateError) return [{ name, status: 'fail', detail: error.message, todo: error.entry.remedy }]
    throw error
  }
}
