// Debian's mosquitto_pub and mosquitto_sub against the broker: the clients most people try first.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { commandTopic, uplinkTopic } from '../../../schemas/topics.ts'
import { debianPackages } from '../../services/debian.ts'
import { needsServices } from '../../services/skip.ts'
import { eventually, startTestBroker } from '../../fixtures/broker.ts'

test('mosquitto_pub publishes, at QoS 0 and 1, one message and many; mosquitto_sub receives commands', { ...needsServices, timeout: 600_000 }, async (t) => {
  const packages = await debianPackages(['mosquitto', 'mosquitto-clients'])
  const { broker, pki, queue } = await startTestBroker(t)
  const device = await pki.device()
  const dir = t.testdir({ 'device.crt': device.cert, 'ca.pem': pki.ca })
  await writeFile(join(dir, 'device.key'), device.key, { mode: 0o600 })
  const common = ['-h', '127.0.0.1', '-p', String(broker.address.port), '-i', device.id, '--cafile', join(dir, 'ca.pem'), '--cert', join(dir, 'device.crt'), '--key', join(dir, 'device.key'), '-V', 'mqttv311']
  const run = async (program: string, args: string[], input = ''): Promise<{ code: number | null, output: string, error: string }> => {
    const child = spawn(packages.bin(program), [...common, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    let error = ''
    child.stdout.on('data', (chunk: Buffer) => { output += chunk.toString() })
    child.stderr.on('data', (chunk: Buffer) => { error += chunk.toString() })
    child.stdin.end(input)
    const [code] = await once(child, 'close') as [number | null]
    return { code, output, error }
  }
  const topic = uplinkTopic(device.id, 'telemetry')
  for (const qos of ['0', '1']) {
    const { code, error } = await run('mosquitto_pub', ['-t', topic, '-q', qos, '-m', `at ${qos}`])
    t.equal(code, 0, error)
  }
  const many = Array.from({ length: 300 }, (_, i) => `line ${i}`)
  t.equal((await run('mosquitto_pub', ['-t', topic, '-q', '1', '-l'], `${many.join('\n')}\n`)).code, 0)
  await queue.has(302)
  t.strictSame(queue.all.map(({ payload }) => payload.toString()), ['at 0', 'at 1', ...many])
  t.match(broker.stats(), { pubacksSent: 301, messagesRefused: 0 })
  const listening = run('mosquitto_sub', ['-t', commandTopic(device.id), '-q', '1', '-C', '2'])
  await eventually(() => broker.stats().sessions === 1)
  for (const text of ['first', 'second']) {
    let sent = false // the subscription comes a moment after the session
    while (!sent) {
      sent = await broker.command(device.id, Buffer.from(text)).then(() => true, () => false)
      await new Promise((resolve) => setTimeout(resolve, 5)) // or nothing would ever be read, the subscription either
    }
  }
  t.equal((await listening).output, 'first\nsecond\n')
  const refused = await run('mosquitto_pub', ['-t', 'v1/other/telemetry', '-q', '1', '-m', 'x', '--repeat', '1'])
  t.not(refused.code, 0, 'a foreign topic is not published')
  t.equal(broker.stats().refused['topic-foreign'], 1)
  t.equal((await run('mosquitto_pub', ['-V', 'mqttv5', '-t', topic, '-q', '1', '-m', 'x'])).code === 0, false, 'MQTT 5 is refused, not half spoken')
  t.equal(queue.all.length, 302)
})
