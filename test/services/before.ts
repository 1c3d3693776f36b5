// Run by tap before the first test file: fetches what the tests' services are unpacked from, once for this user, so that no
// test has to download within its own time. Does nothing the second time. When something cannot be had, the tests that
// need it fail and say so; the others run.
import { debianPackages } from './debian.ts'
import { unpackRedis } from './redis-server.ts'
import { unpackTimescale } from './server.ts'
import { needsServices } from './skip.ts'

const clients = [['mosquitto', 'mosquitto-clients'], ['python3', 'python3-paho-mqtt']]

if (needsServices.skip === false) {
  for (const fetch of [unpackTimescale, unpackRedis, ...clients.map((names) => () => debianPackages(names))]) {
    await fetch().catch((error: unknown) => { process.stderr.write(`${(error as Error).message}\n`) })
  }
}
