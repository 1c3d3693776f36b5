// Who may issue devices, of the CAs that a bundle holds.
import { type X509Certificate } from 'node:crypto'

/** Devices come from the intermediates of the bundle; where it holds roots only, from those. */
export function issuingCas (cas: readonly X509Certificate[]): X509Certificate[] {
  const intermediates = cas.filter((ca) => !ca.checkIssued(ca))
  return intermediates.length > 0 ? intermediates : [...cas]
}
