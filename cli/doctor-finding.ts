// What the parts of doctor share: a finding, and the settings they look at.
import { type Config } from '../runtime/settings.ts'

/** `fail`: Pulsegate would not work. `warn`: it works, but not as well or not for long. */
export interface Finding {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  /** What was found. Holds no secret. */
  readonly detail: string
  /** What to do about it. */
  readonly todo?: string
  /** Each thing at fault, where `detail` tells of the first ones only. */
  readonly faults?: readonly string[]
}

export const doctorSettings = ['data', 'certs', 'databaseUrl', 'redisUrl', 'masterKey', 'oldMasterKeys', 'keyServiceTokenFile', 'keyServiceCa', 'keyServiceCert', 'keyServiceKey', 'keyServiceTimeoutMs', 'redisNamespace', 'redisTimeoutMs', 'pgBin', 'mqttHost', 'mqttPort', 'healthHost', 'healthPort'] as const
export type DoctorConfig = Config<typeof doctorSettings[number]>
