// The master key of a command or process: which settings name it, and how they become what seals and opens.
import { join } from 'node:path'
import { type KeySettings, isKeyServiceUrl, openKeyRing } from '../ingest/keys/key-ring.ts'
import { type KeyService } from '../ingest/keys/key-service.ts'
import { type Config, type SettingName } from '../runtime/settings.ts'

/** `data` is where the key lies when nothing names it. */
export const keySettingNames = ['data', 'masterKey', 'oldMasterKeys', 'keyServiceTokenFile', 'keyServiceCa', 'keyServiceCert', 'keyServiceKey', 'keyServiceTimeoutMs'] as const satisfies SettingName[]

export type KeyConfig = Config<typeof keySettingNames[number]>

/** Where the master key is, by the settings. */
export function masterKeyPlace ({ data, masterKey }: Pick<KeyConfig, 'data' | 'masterKey'>): string {
  return masterKey ?? join(data, 'keys', 'master.key')
}

export function keySettingsOf (config: KeyConfig): KeySettings {
  const { oldMasterKeys, keyServiceTokenFile: tokenFile, keyServiceCa: caFile, keyServiceCert: certFile, keyServiceKey: keyFile, keyServiceTimeoutMs } = config
  return {
    masterKey: masterKeyPlace(config),
    oldMasterKeys: oldMasterKeys?.split(',').map((place) => place.trim()).filter((place) => place !== '') ?? [],
    deadlineMs: keyServiceTimeoutMs,
    ...(tokenFile !== undefined && { tokenFile }),
    ...(caFile !== undefined && { caFile }),
    ...(certFile !== undefined && { certFile }),
    ...(keyFile !== undefined && { keyFile })
  }
}

/** Errors: see openKeyRing; MASTER_KEY_MISSING names the path. */
export function openKeys (config: KeyConfig): KeyService { return openKeyRing(keySettingsOf(config)) }

/** A key that this process may make at its very first start: a file, not a service. */
export function isFile (place: string): boolean { return !isKeyServiceUrl(place) }
