// The device a certificate names: exactly one URI among its alternative names, `urn:uuid:` and a device id. Pure.
import { isDeviceId } from '../profile.ts'

const uuidUrn = 'URI:urn:uuid:'

/** `names`: subjectAltName as Node prints it. Null when it does not name exactly one device. */
export function deviceIdIn (names: string | undefined): string | null {
  // Node quotes a name that could be taken for several (CVE-2021-44532); no name of a device needs quoting
  if (names === undefined || names.includes('"')) return null
  const [uri, ...more] = names.split(', ').filter((name) => name.startsWith('URI:'))
  if (uri === undefined || more.length > 0 || !uri.toLowerCase().startsWith(uuidUrn.toLowerCase())) return null
  const id = uri.slice(uuidUrn.length).toLowerCase() // makers write UUIDs in either case
  return isDeviceId(id) ? id : null
}
