// A broker that would refuse everybody, or check nobody, does not start: it names the file and what to do, and exits with 78. Told before
// it waits for Redis or the database, so none is needed here.
import { execFile } from 'node:child_process'
import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { signCertificate, selfSigner, createKeyPair } from '../../certs/signing.ts'
import { caExtensions } from '../../certs/profile.ts'
import { openClock } from '../../proof/parts/clock.ts'
import { choosePort } from '../../proof/parts/port.ts'
import { program } from '../../proof/parts/program.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { createPki } from '../fixtures/pki.ts'

const main = fileURLToPath(new URL('./dist/cli/main.js', import.meta.resolve('#package')))
const env = { REDIS_URL: 'redis://127.0.0.1:9', DATABASE_URL: 'postgres://u@127.0.0.1:9/x' }

function start (certs: string): Promise<{ code: number, stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'broker', '--certs', certs, '--mqtt-port', '0', '--health-port', '0'], { env: { PATH: process.env['PATH'] ?? '', ...env }, timeout: 60_000 }, (error, _stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stderr })
    })
  })
}

test('missing list, ended CA, unusable or exposed key: the process says the path and the remedy and exits with 78 [C15] [C14]', { timeout: 180_000 }, async (t) => {
  const { dir, authority: { paths } } = await createPki(t)
  const refuses = async (what: string, stderr: RegExp): Promise<void> => { t.match(await start(dir), { code: 78, stderr }, what) }
  const change = async (path: string, text: string | null, what: string, stderr: RegExp): Promise<void> => {
    const before = await readFile(path)
    if (text === null) await rm(path)
    else await writeFile(path, text)
    await refuses(what, stderr)
    await writeFile(path, before, { mode: 0o600 })
  }
  await change(paths.issuingCrl, null, 'missing list', /TLS_FILE_MISSING[\s\S]*crl\/issuing\.pem[\s\S]*pulsegate certs crl/)
  await change(paths.rootCrl, await readFile(paths.issuingCrl, 'utf8'), 'a list of another CA', /TLS_FILE_MISSING[\s\S]*no CRL for CA "CN=Pulsegate root CA"[\s\S]*pulsegate certs crl/)
  const ended = selfSigner(createKeyPair(), 'Ended CA')
  const { pem } = signCertificate({ commonName: 'Ended CA', publicKey: createKeyPair().publicKey, notBeforeMs: Date.now() - 2e9, notAfterMs: Date.now() - 1e9, extensions: caExtensions({}) }, ended)
  await change(paths.ca, pem, 'ended CA', /TLS_FILE_EXPIRED[\s\S]*ca\.pem: the certificate "Ended CA" ended[\s\S]*pulsegate certs ca status/)
  await change(paths.serverKey, 'no key', 'unusable key', /TLS_FILE_INVALID[\s\S]*server\.key/)
  await chmod(paths.serverKey, 0o644)
  await refuses('exposed key', /TLS_FILE_EXPOSED[\s\S]*chmod 600 .*server\.key/)
})

test('a clock before the CA\'s beginning: alive, not ready, with the reason, until it is set [C15]', { timeout: 120_000 }, async (t) => {
  const { dir } = await createPki(t)
  const directory = join(dir, 'log')
  const clock = await openClock(dir)
  await clock.shift(-30 * 86_400_000)
  const health = { host: '127.0.0.1', port: choosePort() }
  const broker = program({
    name: 'broker', main, args: ['broker', '--certs', dir, '--mqtt-port', '0', '--health-port', String(health.port)], env: { ...env, ...clock.env }, nodeArgs: clock.nodeArgs, health, directory, log: quietObservability().log, standsWhen: 'healthz'
  })
  t.teardown(() => broker.kill())
  await broker.start()
  const has = async (name: string, pattern: RegExp): Promise<boolean> => (await broker.readyz()).reasons.some((reason) => reason.startsWith(`${name}:`) && pattern.test(reason))
  const eventually = async (what: string, reached: () => Promise<boolean>): Promise<void> => {
    for (const deadline = performance.now() + 30_000; !await reached().catch(() => false);) {
      if (performance.now() > deadline) { t.fail(what); return }
      await new Promise((resolve) => { setTimeout(resolve, 100) })
    }
    t.pass(what)
  }
  await eventually('the clock is named', () => has('clock', /which is before .*set the clock/))
  t.equal((await broker.readyz()).ready, false)
  await clock.shift(0)
  await eventually('the clock is right, and it goes on to start', async () => !await has('clock', /./))
})
