// `clonePolicy refuse` keeps an older certificate out once a newer one of the device was used, by the memory of one broker. Where the
// authority's keys are at hand it is revoked as well: then every broker refuses it, after a restart too.
import { openAuthority } from '../certs/authority.ts'
import { createSuperseder, supersedingTrail } from '../certs/supersede.ts'
import { type AuditTrail } from '../runtime/audit.ts'
import { type Lifecycle } from '../runtime/lifecycle.ts'
import { type Observability } from '../runtime/observability.ts'
import { readPassphrase } from '../runtime/passphrase.ts'

export interface SupersedeOptions {
  /** The authority's folder. */
  readonly certs: string
  readonly certsPassphraseFile?: string | undefined
  readonly clonePolicy: 'report' | 'refuse' | undefined
  readonly audit: AuditTrail
}

/** The trail to give to the broker: the same, and what is accepted supersedes what is older, when the policy wants it and it can be done. */
export async function supersedeOlder ({ certs, certsPassphraseFile, clonePolicy, audit }: SupersedeOptions, { lifecycle, observability: { log } }: { lifecycle: Lifecycle, observability: Observability }): Promise<AuditTrail> {
  if (clonePolicy !== 'refuse') return audit
  try {
    const authority = await openAuthority(certs, certsPassphraseFile === undefined ? {} : { passphrase: await readPassphrase(certsPassphraseFile) })
    const superseder = createSuperseder({ authority, audit, log })
    lifecycle.onClose('superseding', () => superseder.close())
    return supersedingTrail(audit, superseder)
  } catch (err) {
    // a broker that works on a copy without the keys is as it should be
    log.warn({ err }, 'older certificates are refused by this broker only, and not revoked: it has no use of the authority\'s keys')
    return audit
  }
}
