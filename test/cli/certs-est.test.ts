// `pulsegate certs est` and `pulsegate certs token` as compiled: a server of its own beside the authority, tokens from the command line, devices
// of `pulsegate simulate` that enrol with them, and an orderly end.
import { randomUUID } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { renewByEst, enrolByEst } from '../../simulator/enrol-est.ts'
import { startCli } from '../fixtures/cli-process.ts'
import { urlOfEst } from '../fixtures/est-process.ts'
import { createPki } from '../fixtures/pki.ts'
import { startRecordingBroker } from '../fixtures/recording-broker.ts'

async function certs (t: Test, dir: string, ...words: string[]): Promise<{ out: string, err: string, code: number | null }> {
  return await startCli(t, 'certs', ...words, '--dir', dir).ended
}

test('tokens on the command line, a server of its own, simulated devices that enrol with them, SIGTERM', async (t) => {
  const pki = await createPki(t)
  const data = t.testdir()
  const server = startCli(t, 'certs', 'est', '--dir', pki.dir, '--port', '0', '--health-port', '0', '--server-names', 'localhost,127.0.0.1')
  const url = await urlOfEst(server)
  const id = randomUUID()
  const [made, listed] = [await certs(t, pki.dir, 'token', id, '--expires', '1h', '--json'), await certs(t, pki.dir, 'tokens')]
  const [{ token, name }] = JSON.parse(made.out) as [{ token: string, name: string }]
  t.match(listed.out, name)
  t.notMatch(listed.out, token.slice(21), 'listed by name only')
  const address = { url, ca: pki.ca }
  const first = await enrolByEst(address, id, { token }, AbortSignal.timeout(20_000))
  await renewByEst(address, id, first, AbortSignal.timeout(20_000))
  t.match((await certs(t, pki.dir, 'tokens', '--all')).out, new RegExp(`${name} +used`))

  const file = join(data, 'tokens.txt')
  const printed = await certs(t, pki.dir, 'token', '--any', '--count', '2', '--out', file)
  t.equal(printed.code, 0)
  t.notMatch(printed.out, 'pgt_', 'not printed when it is written')
  t.equal((await stat(file)).mode & 0o777, 0o600)
  t.equal((await certs(t, pki.dir, 'token', '--any', '--out', file)).code, 2, 'a file is never overwritten')
  const broker = await startRecordingBroker(pki)
  t.teardown(async () => broker.close())
  const simulated = await startCli(t, 'simulate', '--url', broker.url, '--est', url, '--token-file', file, '--ca', pki.files.caFile, '--data', data, '--devices', '2', '--for', '2s', '--json').ended
  t.equal(simulated.code, 0) || t.comment(simulated.err)
  t.ok(broker.recorded.length > 2)
  const refused = await startCli(t, 'simulate', '--url', broker.url, '--est', url, '--token-file', file, '--ca', pki.files.caFile, '--data', join(data, 'other'), '--devices', '2', '--for', '2s').ended
  t.match(refused, { code: 1, err: /ENROLMENT_REFUSED.*401/ }, 'the tokens are used')

  const [, open] = (await certs(t, pki.dir, 'token', '--any', '--json')).out.match(/"name":"(\w+)"/) ?? []
  t.match((await certs(t, pki.dir, 'token', 'revoke', open ?? '')).out, 'is revoked')
  t.equal((await certs(t, pki.dir, 'token', id, '--count', '2')).code, 2)
  server.child.kill('SIGTERM')
  const { code, err } = await server.ended
  t.equal(code, 0)
  const spool = join(pki.dir, 'audit')
  const spooled = (await Promise.all((await readdir(spool)).map((name) => readFile(join(spool, name), 'utf8')))).join('\n')
  for (const what of ['token-made', 'token-used', 'issued', 'renewed', 'enrolment-refused']) t.match(spooled, what)
  t.notMatch(err + spooled, token.slice(21), 'no token in log or audit')
})
