// Foreign programs the benchmarks measure against, from Debian's packages.
import { debianPackages } from '../test/services/debian.ts'

let mosquitto: Promise<string> | undefined

/** Path of Mosquitto; downloads and unpacks it at the first call. */
export async function mosquittoCommand (): Promise<string> {
  mosquitto ??= debianPackages(['mosquitto']).then((packages) => packages.bin('mosquitto'))
  return await mosquitto
}
