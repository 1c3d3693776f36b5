// Enrolment seen from outside: curl and openssl as the client, with the very lines of docs/enrolment.md, so that the page cannot rot.
import { execFile, execFileSync } from 'node:child_process'
import { randomUUID, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test, type Test } from 'tap'
import { startTestBroker, type TestBroker } from '../../fixtures/broker.ts'
import { createMaker, startEst, type TestEst, trustMaker } from '../../fixtures/est.ts'

for (const tool of ['curl', 'openssl', 'bash']) {
  try {
    execFileSync(tool, [tool === 'openssl' ? 'version' : '--version'], { stdio: 'ignore' })
  } catch {
    throw new Error(`this test needs ${tool} as an independent client: install it (Debian: apt-get install curl openssl)`)
  }
}

interface Block { readonly kind: string, readonly text: string }

async function blocksOfPage (): Promise<Block[]> {
  const page = await readFile(fileURLToPath(new URL('./docs/enrolment.md', import.meta.resolve('#package'))), 'utf8')
  return [...page.matchAll(/^```sh ?(\w*)\n(.*?)^```$/gms)].map(([, kind = '', text = '']) => ({ kind, text }))
}

interface Device { readonly id: string, readonly folder: string, run (lines: string, variables?: Record<string, string>): Promise<{ out: string, err: string, ok: boolean }>, read (name: string): Promise<string> }

/** A folder with nothing in it but the authority's root certificate, and a shell there. */
async function deviceAt (t: Test, { base, pki }: TestEst, id: string = randomUUID()): Promise<Device> {
  const folder = await mkdtemp(join(tmpdir(), 'pulsegate-device-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'trust.pem'), await readFile(pki.authority.paths.rootCertificate))
  return {
    id,
    folder,
    read: (name) => readFile(join(folder, name), 'utf8'),
    async run (lines, variables = {}) {
      try {
        const { stdout, stderr } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', lines], { cwd: folder, env: { PATH: process.env['PATH'], EST: base, ID: id, ...variables }, timeout: 60_000 })
        return { out: stdout, err: stderr, ok: true }
      } catch (error) {
        const { stdout = '', stderr = '' } = error as { stdout?: string, stderr?: string }
        return { out: stdout, err: stderr, ok: false }
      }
    }
  }
}

async function connects ({ client }: TestBroker, { id, read }: Device, name: 'device' | 'next'): Promise<boolean> {
  const key = await read(`${name}.key`)
  const raw = await client({ id, key, cert: await read(`${name}.crt`) })
  raw.socket.destroy()
  return true
}

/** What a request answers: status and the reason in brackets. */
const asking = (what: string): string => `curl --silent --cacert ca.pem --header 'Content-Type: application/pkcs10' --write-out '%{http_code}' ${what}`

test('every line of docs/enrolment.md, with curl and openssl: from nothing to a renewed certificate that the broker lets in', async (t) => {
  const est = await startEst(t)
  const broker = await startTestBroker(t, { pki: est.pki })
  const device = await deviceAt(t, est)
  const [token] = await est.tokens.make([device.id])
  const blocks = await blocksOfPage()
  t.equal(blocks.length, 5, 'CAs, key and request, first, renewal, birth')
  for (const { text } of blocks.filter(({ kind }) => kind === '')) {
    const { ok, err } = await device.run(text, { TOKEN: token?.token ?? '' })
    t.ok(ok, text.split('\n', 1)[0] ?? '') || t.comment(err)
  }
  t.same((await device.read('ca.pem')).match(/BEGIN CERTIFICATE/g)?.length, 2, 'issuing and root CA')
  const [first, next] = [new X509Certificate(await device.read('device.crt')), new X509Certificate(await device.read('next.crt'))]
  t.equal(first.subjectAltName, `URI:urn:uuid:${device.id}`)
  t.equal(next.subjectAltName, first.subjectAltName, 'the subject of the second request was empty: it is ignored')
  t.notOk(first.publicKey.equals(next.publicKey))
  t.ok(await connects(broker, device, 'next'), 'the new certificate is good for MQTT')
  t.ok(await connects(broker, device, 'device'), 'and the old one still is')
  t.same(est.events.map(({ subtype, agent }) => `${subtype} ${agent.id}`), ['token-used', 'issued', 'renewed'].map((what) => `${what} ${device.id}`), 'and the audit trail knows')

  await t.test('a second use of the token is refused, whatever key it is for', async (t) => {
    const again = await device.run(`${blocks[1]?.text.replaceAll('device.', 'other.') ?? ''}\n${asking(`--user "$ID:${token?.token}" --data-binary @other.p10 "$EST/simpleenroll"`)}`)
    t.match(again.out, /unknown, used, revoked[^]*\(token, request [^]*401$/)
    t.match(est.events.at(-1), { subtype: 'enrolment-refused', reason: 'token-used' })
  })
  await t.test('after its revocation neither certificate renews [C4]', async (t) => {
    await est.pki.authority.revoke(device.id, 'keyCompromise')
    for (const name of ['device', 'next']) {
      const { out } = await device.run(`openssl ecparam -name prime256v1 -genkey -noout -out third.key
openssl req -new -key third.key -subj / -outform DER | openssl base64 -out third.p10
${asking(`--cert ${name}.crt --key ${name}.key --data-binary @third.p10 "$EST/simplereenroll"`)}`)
      t.match(out, /\(certificate, request [^]*403$/, name)
      t.match(est.events.at(-1), { subtype: 'enrolment-refused', reason: 'CERT_REVOKED' }, name)
    }
  })
})

test('the birth certificate of a known maker enrols the device it names, with the lines of the page; a foreign maker\'s does not', async (t) => {
  const est = await startEst(t)
  const [maker, foreign] = [createMaker(), createMaker('Somebody else')]
  await trustMaker(est.pki.dir, maker)
  await est.server.reloadCertificates()
  const blocks = await blocksOfPage()
  const birthLines = blocks.find(({ kind }) => kind === 'birth')?.text ?? 'false'
  const born = async (birth: { id: string, key: string, cert: string }): Promise<{ device: Device, ok: boolean, err: string }> => {
    const device = await deviceAt(t, est, birth.id)
    await writeFile(join(device.folder, 'birth.key'), birth.key)
    await writeFile(join(device.folder, 'birth.crt'), birth.cert)
    return { device, ...await device.run(`${blocks[0]?.text}${blocks[1]?.text}${birthLines}`) }
  }
  const good = await born(maker.birth())
  t.ok(good.ok) || t.comment(good.err)
  t.equal(new X509Certificate(await good.device.read('device.crt')).subjectAltName, `URI:urn:uuid:${good.device.id}`)
  t.ok((await born({ ...maker.birth(good.device.id) })).ok, 'again after a factory reset')
  t.match(await born(foreign.birth()), { ok: false, err: /403/ })
  t.match(est.events.at(-1), { reason: 'from no authority or maker that is known here' })
})

test('what openssl makes otherwise: weak keys, other curves, a tampered signature, PEM, somebody else\'s name', async (t) => {
  const est = await startEst(t)
  const device = await deviceAt(t, est)
  const victim = randomUUID()
  const [token] = await est.tokens.make([device.id])
  const user = `--user "$ID:${token?.token}" "$EST/simpleenroll"`
  await device.run((await blocksOfPage())[0]?.text ?? '')
  const keys: Record<string, string> = {
    'P-192': 'openssl ecparam -name prime192v1 -genkey -noout -out k',
    'P-384': 'openssl ecparam -name secp384r1 -genkey -noout -out k',
    'RSA-2048': 'openssl genrsa -out k 2048',
    Ed25519: 'openssl genpkey -algorithm ed25519 -out k'
  }
  for (const [name, make] of Object.entries(keys)) {
    const { out } = await device.run(`${make} 2>/dev/null; openssl req -new -key k -subj /CN=x -outform DER | openssl base64 -out r\n${asking(`--data-binary @r ${user}`)}`)
    t.match(out, /\(request, request [^]*400$/, `${name} is refused`)
    t.notMatch(out, / at |\.ts|\.js/, 'in words, without a stack')
  }
  const good = 'openssl ecparam -name prime256v1 -genkey -noout -out k; openssl req -new -key k -subj /CN=x'
  const tampered = await device.run(`${good} -outform DER > d; size=$(stat -c %s d)
printf '\\x00\\x00\\x00' | dd of=d bs=1 seek=$((size - 3)) conv=notrunc status=none; openssl base64 -in d -out r
${asking(`--data-binary @r ${user}`)}`)
  t.match(tampered.out, /signature was not made with the key[^]*400$/)
  t.match((await device.run(`${good} -out r\n${asking(`--data-binary @r ${user}`)}`)).out, /it is PEM[^]*400$/)
  // the token has lived through all of it; the names in the request are ignored
  const named = await device.run(`${good} -subj /CN=${victim} -addext "subjectAltName=URI:urn:uuid:${victim},DNS:gate.example" -addext "extendedKeyUsage=serverAuth" -addext "basicConstraints=critical,CA:true" -outform DER | openssl base64 -out r
curl --silent --fail --cacert ca.pem --header 'Content-Type: application/pkcs10' --data-binary @r ${user} | openssl base64 -d | openssl pkcs7 -inform DER -print_certs -out named.crt
openssl x509 -in named.crt -noout -text`)
  t.ok(named.ok) || t.comment(named.err)
  t.match(named.out, `URI:urn:uuid:${device.id}`)
  t.match(named.out, /TLS Web Client Authentication[^]*CA:FALSE|CA:FALSE[^]*TLS Web Client Authentication/)
  t.notMatch(named.out, new RegExp(`${victim}|gate\\.example|Server Authentication|CA:TRUE`))
})
