// Device ids, subjects and times as commander takes them: a checked value, or a usage error.
import { InvalidArgumentError } from 'commander'
import { isSubject } from '../ingest/registry-assignments.ts'
import { isDeviceId } from '../schemas/device.ts'

export function oneDevice (text: string): string {
  if (isDeviceId(text)) return text
  throw new InvalidArgumentError('A device id is a lower-case UUID.')
}

export function oneSubject (text: string): string {
  if (isSubject(text)) return text
  throw new InvalidArgumentError('A subject is a pseudonym of up to 64 letters, digits and . _ : - ; never a name.')
}
