// Debian's python3-paho-mqtt against the broker. It sends right behind CONNECT and without a window, which a bare Aedes
// answered by losing messages.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { debianPackages } from '../../services/debian.ts'
import { needsServices } from '../../services/skip.ts'
import { startTestBroker } from '../../fixtures/broker.ts'

const script = fileURLToPath(new URL('paho-device.py', import.meta.url))

test('paho publishes a burst without loss, gets its command and ends', { ...needsServices, timeout: 600_000 }, async (t) => {
  const python = await debianPackages(['python3', 'python3-paho-mqtt'])
  const { broker, pki, queue, registry } = await startTestBroker(t)
  const device = await pki.device()
  const dir = t.testdir({ 'device.crt': device.cert, 'ca.pem': pki.ca })
  await writeFile(join(dir, 'device.key'), device.key, { mode: 0o600 })
  const start = () => {
    const child = spawn(python.bin('python3'), [script, '127.0.0.1', String(broker.address.port), device.id, join(dir, 'ca.pem'), join(dir, 'device.crt'), join(dir, 'device.key'), '60'], { stdio: ['ignore', 'pipe', 'pipe'] })
    const seen = { output: '', error: '' }
    child.stdout.on('data', (chunk: Buffer) => { seen.output += chunk.toString() })
    child.stderr.on('data', (chunk: Buffer) => { seen.error += chunk.toString() })
    t.teardown(() => child.kill())
    return { child, seen }
  }
  const { child, seen } = start()
  await queue.has(60)
  let sent = false // the subscription comes a moment before or after
  while (!sent) sent = await broker.command(device.id, Buffer.from('stop')).then(() => true, () => false)
  const [code] = await once(child, 'close') as [number]
  t.equal(code, 0, seen.error)
  t.match(seen.output, /acked 60\n/)
  t.match(seen.output, /command stop\n/)
  t.strictSame(queue.all.map(({ payload }) => payload.toString()), Array.from({ length: 60 }, (_, i) => `m${i}`))
  registry.states.set(device.id, 'suspended')
  const second = start()
  await once(second.child, 'close')
  t.match(second.seen.output, /refused 5\n/, 'the answer of a refusal arrives')
})
