// Enrolment as `up` and `pulsegate certs est` put it together: what changes in the makers' folder counts soon, and an accident of the listening
// socket is not the end of the process.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { serveEst } from '../../cli/serve-est.ts'
import { createDeviceKeyAndRequest } from '../../certs/request.ts'
import { Health } from '../../runtime/health.ts'
import { Lifecycle } from '../../runtime/lifecycle.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { askEst, base64Of, createMaker, type Maker } from '../fixtures/est.ts'
import { createPki, type Pki } from '../fixtures/pki.ts'

async function serve (t: Test): Promise<{ pki: Pki, cacerts (): Promise<number>, knows (maker: Maker): Promise<boolean> }> {
  const pki = await createPki(t)
  const observability = quietObservability()
  const lifecycle = new Lifecycle({ log: observability.log })
  t.teardown(() => lifecycle.close())
  const { url } = await serveEst({ host: '127.0.0.1', port: 0, deviceLifeMs: 86_400_000, limits: { rate: { burst: 10_000, perSecond: 1_000, refusalCost: 1 } } }, { directory: pki.dir, health: new Health() }, { lifecycle, observability })
  const ask = askEst(pki.ca, `${url}/.well-known/est`)
  return {
    pki,
    cacerts: async () => (await ask('cacerts')).status,
    knows: async (maker) => {
      const identity = maker.birth()
      const { requestPem } = await createDeviceKeyAndRequest(identity.id)
      return (await ask('simpleenroll', { method: 'POST', identity, headers: { 'content-type': 'application/pkcs10' }, body: base64Of(requestPem) })).status === 200
    }
  }
}

async function eventually (condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000
  while (!await condition()) {
    if (performance.now() > deadline) throw new Error('it did not come about')
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  }
}

test('makers that come, change in place and go count within a second or two', { timeout: 60_000 }, async (t) => {
  const { pki, knows } = await serve(t)
  const [first, second] = [createMaker('First'), createMaker('Second')]
  t.notOk(await knows(first))
  await mkdir(join(pki.dir, 'makers'))
  const file = join(pki.dir, 'makers', 'maker.pem')
  await writeFile(file, first.pem)
  await eventually(() => knows(first))
  await writeFile(file, second.pem)
  await eventually(async () => await knows(second) && !await knows(first))
  await writeFile(file, 'not a certificate')
  await new Promise((resolve) => { setTimeout(resolve, 1_000) })
  t.ok(await knows(second), 'a faulty file leaves the makers from before')
  await writeFile(file, first.pem)
  await eventually(async () => await knows(first) && !await knows(second))
  await rm(file)
  await eventually(async () => !await knows(first))
})

test('an error of the listening socket (no file left to accept with, say) is logged, and the server goes on', async (t) => {
  const listening = new Set<Server>()
  const seen = (message: unknown): void => {
    const { server } = (message as { socket: Socket & { server?: Server } }).socket
    if (server !== undefined) listening.add(server)
  }
  subscribe('net.server.socket', seen)
  t.teardown(() => { unsubscribe('net.server.socket', seen) })
  const { cacerts } = await serve(t)
  t.equal(await cacerts(), 200)
  t.equal(listening.size, 1)
  for (const server of listening) server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }))
  t.equal(await cacerts(), 200)
})
