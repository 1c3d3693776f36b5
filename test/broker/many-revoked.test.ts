// Twenty thousand revoked certificates: how long a broker takes to load them, and whether others get their turn meanwhile. Bounds are of
// CPU time where it can be told apart, so that other work on the machine does not decide.
import { randomBytes } from 'node:crypto'
import { appendFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { test } from 'tap'
import { loadCredentials } from '../../broker/credentials.ts'
import { eventually, startTestBroker } from '../fixtures/broker.ts'
import { createPki } from '../fixtures/pki.ts'

const count = 20_000

test('20,000 revoked certificates: loaded in under 2 s, one more is revoked and out in no more, and the devices notice nothing [C4]', { timeout: 180_000 }, async (t) => {
  const pki = await createPki(t)
  const { authority, files } = pki
  const issuer = (await authority.list()).find(({ role }) => role === 'issuing')?.serial ?? ''
  const at = new Date().toISOString()
  const notAfter = new Date(Date.now() + 7 * 86_400_000).toISOString()
  const serials = Array.from({ length: count }, () => `4${randomBytes(16).toString('hex').slice(1)}`.toUpperCase())
  await appendFile(authority.paths.journal, serials.map((serial) =>
    `${JSON.stringify({ event: 'issued', at, serial, role: 'device', names: [serial], notBefore: at, notAfter, issuer })}\n${JSON.stringify({ event: 'revoked', at, serial, reason: 'keyCompromise' })}\n`).join(''))
  const cpu = async (work: () => Promise<unknown>): Promise<number> => {
    const before = process.cpuUsage()
    await work()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1_000
  }
  const { id } = await pki.device()
  const revokeMs = await cpu(async () => { await authority.revoke(id, 'keyCompromise') })
  const loadMs = await cpu(async () => { t.equal((await loadCredentials(files)).trust.revoked.size, count + 2) })
  t.ok(revokeMs < 2_000, `revoking one more took ${Math.round(revokeMs)} ms of CPU`)
  t.ok(loadMs < 2_000, `loading took ${Math.round(loadMs)} ms of CPU`)

  const running = await startTestBroker(t, { pki })
  const [victim, innocent] = [await pki.device(), await pki.device()]
  const [live, other] = [await running.client(victim), await running.client(innocent)]
  await authority.revoke(victim.id, 'keyCompromise')
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const since = performance.now()
  await running.broker.reloadCertificates()
  await live.closed
  const outMs = performance.now() - since
  delay.disable()
  t.comment(`revoke ${Math.round(revokeMs)} ms CPU, load ${Math.round(loadMs)} ms CPU, reload and out ${Math.round(outMs)} ms, longest turn ${Math.round(delay.max / 1e6)} ms`)
  t.ok(outMs < 2_000, `out after ${Math.round(outMs)} ms`)
  other.send(other.publish(1))
  await other.acked(1)
  await eventually(() => running.broker.stats().sessions === 1)
})

test('many at once: one writing of the lists, unknown ones hold up nobody', async (t) => {
  const { authority, files } = await createPki(t)
  const devices = await authority.issueDevices(Array.from({ length: 64 }, () => crypto.randomUUID()))
  const report = await authority.revokeAll([...devices.map(({ id }) => id), 'nobody', devices[0]?.serial ?? ''], 'cessationOfOperation')
  t.match(report, { unknown: ['nobody'], alreadyRevoked: [] })
  t.equal(report.revoked.length, 64)
  t.equal((await loadCredentials(files)).trust.revoked.size, 65)
})
