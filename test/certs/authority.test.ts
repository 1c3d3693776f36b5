import { test } from 'tap'
import { createPki } from '../fixtures/pki.ts'

test('a device gets a certificate with its id as the only URI SAN, for client authentication only', async (t) => {
  const started = performance.now()
  const pki = await createPki(t)
  t.comment(`pki made in ${Math.round(performance.now() - started)} ms`)
  const device = await pki.device()
  t.match(device.cert, /BEGIN CERTIFICATE/)
})
