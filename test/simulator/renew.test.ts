// Renewal as a device does it, against a real EST server and a real MQTT listener with mutual TLS.
import { X509Certificate } from 'node:crypto'
import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { test } from 'tap'
import { quietObservability } from '../../runtime/observability.ts'
import { createEnrolment, createEstEnrolment } from '../../simulator/enrol.ts'
import { renewByEst } from '../../simulator/enrol-est.ts'
import { CredentialStore } from '../../simulator/enrol-store.ts'
import { createFleet } from '../../simulator/fleet.ts'
import { renewAtMs } from '../../simulator/renew.ts'
import { CertificateTrial } from '../../simulator/renew-trial.ts'
import { type Credentials, startSimulator } from '../../simulator/simulator.ts'
import { createMaker, startEst, trustMaker } from '../fixtures/est.ts'
import { startRecordingBroker } from '../fixtures/recording-broker.ts'

const never = new AbortController().signal

test('a device enrols with a token or a birth certificate, keeps what it got, and is refused in words', async (t) => {
  const { pki, server, tokens } = await startEst(t)
  const maker = createMaker()
  await trustMaker(pki.dir, maker)
  await server.reloadCertificates()
  const address = { url: server.url, ca: pki.ca }
  const birth = maker.birth()
  const directory = t.testdir()
  const byBirth = await createEstEnrolment({ directory, server: address, signal: never, first: async () => ({ birth: { keyPem: birth.key, certPem: birth.cert } }) })(birth.id)
  t.equal(new X509Certificate(byBirth.certPem).subjectAltName, `URI:urn:uuid:${birth.id}`)
  const again = createEstEnrolment({ directory, server: address, signal: never, first: async () => { throw new Error('not asked: a certificate is there') } })
  t.equal((await again(birth.id)).certPem, byBirth.certPem)

  const id = '00000000-0000-8000-8000-000000000001'
  const [token] = await tokens.make([id])
  const enrol = createEstEnrolment({ directory, server: address, signal: never, first: async () => ({ token: token?.token ?? '' }) })
  t.match((await enrol(id)).keyPem, /PRIVATE KEY/)
  const other = createEstEnrolment({ directory: t.testdir(), server: address, signal: never, first: async () => ({ token: token?.token ?? '' }) })
  await t.rejects(other(id), { code: 'ENROLMENT_REFUSED', message: /401: The token does not enrol this device/ })
  await t.rejects(renewByEst({ url: 'https://127.0.0.1:1', ca: pki.ca }, id, byBirth, never), { code: 'ENROLMENT_UNAVAILABLE' })
})

test('a fleet renews at two thirds of its life, each with a new key, and no message is lost or sent twice', async (t) => {
  const life = { days: 15 / 86_400 }
  const { pki, server } = await startEst(t, life)
  const broker = await startRecordingBroker(pki)
  t.teardown(async () => broker.close())
  const directory = t.testdir()
  const address = { url: server.url, ca: pki.ca }
  const credentials = await createEnrolment({ directory, authority: pki.authority, renews: true, ...life })
  const fleet = createFleet({ seed: 3, devices: 3, kinds: ['ecg-patch'] })
  const first = new Map<string, Credentials>()
  for (const { id } of fleet.devices) first.set(id, await credentials(id))
  let renewals = 0
  const simulator = await startSimulator({
    url: broker.url,
    ca: pki.ca,
    fleet,
    directory,
    rate: 20,
    credentials,
    renewal: {
      store: new CredentialStore(directory),
      renew: async (id, current, signal) => {
        if (++renewals === 1) throw new Error('the first attempt of all fails')
        return await renewByEst(address, id, current, signal)
      }
    },
    observability: quietObservability()
  })
  t.teardown(async () => simulator.close())
  while (simulator.renewals.renewed < 3) await setTimeout(50)
  t.equal(simulator.renewals.failed, 1, 'and was made good')
  t.ok(await simulator.drain({ graceMs: 10_000 }))
  const { made, acknowledged, disconnections, resent } = simulator.stats()
  t.equal(acknowledged, made)
  t.equal(disconnections, 0, 'a device that leaves to come back is not one that was cut off')
  t.equal(resent, 0, 'what was on its way was waited for')
  for (const { id } of fleet.devices) {
    const kept = new X509Certificate(await readFile(join(directory, 'devices', id, 'device.crt')))
    const before = new X509Certificate(first.get(id)?.certPem ?? '')
    t.notOk(kept.publicKey.equals(before.publicKey), 'a new key')
    t.match(await new CredentialStore(directory).read(id), { certPem: /BEGIN/ })
  }
})

test('old and new take turns while nobody lets either in; the new one counts when it has connected', async (t) => {
  const [old, next]: Credentials[] = [{ keyPem: 'old', certPem: '' }, { keyPem: 'next', certPem: '' }]
  if (!old || !next) throw new Error('unreachable')
  const outcomes: boolean[] = []
  const trial = new CertificateTrial(old)
  t.equal(trial.choose(), old)
  t.equal(trial.connected(), false)
  trial.begin(next, (proven) => { outcomes.push(proven) })
  for (const expected of [next, old, next, old]) {
    t.equal(trial.choose(), expected)
    trial.refused()
  }
  t.same(outcomes, [], 'a broker that is away says nothing against the new one')
  t.equal(trial.choose(), next)
  t.equal(trial.connected(), false)
  t.same(outcomes, [true])
  t.equal(trial.current, next)

  const third: Credentials = { keyPem: 'third', certPem: '' }
  trial.begin(third, (proven) => { outcomes.push(proven) })
  t.equal(trial.choose(), third)
  trial.refused()
  t.equal(trial.choose(), next)
  trial.connected()
  t.same(outcomes, [true, false], 'refused where the old one is let in: given up')
  t.equal(trial.current, next)

  trial.choose()
  trial.begin(third, (proven) => { outcomes.push(proven) })
  t.equal(trial.connected(), true, 'begun while an attempt with the old one was under way: leave, and try it')
})

test('the time of renewal is two thirds of the life, spread', async (t) => {
  const { pki } = await startEst(t)
  const { certPem } = await pki.authority.issueDevice('00000000-0000-8000-8000-000000000002', { days: 9 })
  const days = (random: number): number => (renewAtMs(certPem, random) - Date.now()) / 86_400_000
  t.ok(Math.abs(days(0.5) - 6) < 0.01)
  t.ok(Math.abs(days(0) - 5.4) < 0.01)
  t.ok(Math.abs(days(0.999) - 6.6) < 0.01)
})

test('wherever a death leaves the files, a key and its certificate are found', async (t) => {
  const { pki } = await startEst(t)
  const directory = t.testdir()
  const store = new CredentialStore(directory)
  const [one, two] = [await pki.device(), await pki.device()]
  const pair = ({ key, cert }: typeof one): Credentials => ({ keyPem: key, certPem: cert })
  t.equal(await store.read('x'), null)
  await store.write('x', pair(one))
  await store.keepNext('x', pair(two))
  t.same(await store.read('x'), pair(one), 'before: the one in use')
  const at = (name: string): string => join(directory, 'devices', 'x', name)
  await rename(at('next.crt'), at('device.crt'))
  t.same(await store.read('x'), pair(two), 'in the middle')
  await rename(at('next.key'), at('device.key'))
  t.same(await store.read('x'), pair(two), 'after')
})
