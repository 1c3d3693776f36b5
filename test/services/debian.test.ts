import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import { debianPackages } from './debian.ts'
import { needsServices } from './skip.ts'

const run = promisify(execFile)

test('Debian programs run without being installed', { ...needsServices, timeout: 600_000 }, async (t) => {
  const clients = await debianPackages(['mosquitto', 'mosquitto-clients'])
  t.match((await run(clients.bin('mosquitto_passwd'), ['-b', '-c', join(t.testdir(), 'file'), 'name', 'word'])).stderr, '')
  const python = await debianPackages(['python3', 'python3-paho-mqtt'])
  t.match((await run(python.bin('python3'), ['-c', 'import ssl, paho.mqtt.client; print("there")'])).stdout, /there/)
  t.throws(() => clients.bin('no-such-program'), /no program no-such-program/)
})
