// A whole EST server over TLS: one connection an input, whose bytes are sent as they are. The first byte says with which certificate: none, a
// device's, or a maker's. A certificate may come of it only for the device that certificate or the one token names, and only for a key
// of the good signing requests in the corpus; every answer must be a registered one, nothing may be logged as an error, the connection
// must end, and a client that comes after it must be served.
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { refusals } from '../../certs/est/answer.ts'
import { writeKey } from '../../certs/files.ts'
import { publicKeyOfRequest } from '../../certs/request.ts'
import { hashSecret, tokenText } from '../../certs/token-text.ts'
import { type Random } from '../../simulator/random.ts'
import { base64Of, createMaker, issuedIn, startEst, trustMaker, type TestEst } from '../../test/fixtures/est.ts'
import { type DeviceIdentity } from '../../test/fixtures/pki.ts'
import { readCorpus } from '../corpus.ts'
import { mutate } from '../mutate.ts'
import { below, chance, pick, type Subject, type Target } from '../target.ts'

/** Of the token, the device's certificate and the birth certificate. */
const ids = { token: 'aaaaaaaa-0000-4000-8000-00000000000a', device: 'bbbbbbbb-0000-4000-8000-00000000000b', birth: 'cccccccc-0000-4000-8000-00000000000c' }
const parts = { name: '0123456789abcdef', secret: 'A'.repeat(43) }
const basic = (id: string, token = tokenText(parts)): string => `authorization: Basic ${Buffer.from(`${id}:${token}`).toString('base64')}`

const requests = readCorpus('csr').map(({ input }) => input.toString('latin1'))
const goodRequests = readCorpus('csr').filter(({ name }) => name.startsWith('good')).map(({ input }) => input.toString('latin1'))
/** Short, so that the server soon ends what an input leaves unfinished; and no limits but these, so that all inputs get as far as they may. */
const plenty = { burst: 1e9, perSecond: 1e6, refusalCost: 1 }
const limits = { requestTimeoutMs: 500, keepAliveMs: 20, rate: plenty, deviceRate: plenty }

const target: Target = {
  seeds: async () => [
    ...goodRequests.flatMap((pem) => [
      httpRequest(0, 'POST', 'simpleenroll', [basic(ids.token)], base64Of(pem)),
      httpRequest(1, 'POST', 'simplereenroll', [], base64Of(pem)),
      httpRequest(2, 'POST', 'simpleenroll', [], base64Of(pem))
    ]),
    httpRequest(0, 'GET', 'cacerts', [], ''),
    httpRequest(1, 'HEAD', 'csrattrs', [], '')
  ],
  make: (random, known) => chance(random, 0.2) ? mutate(random, pick(random, known), known, 60_000) : made(random, known),
  open,
  hangAfterMs: 20_000,
  growthBytes: 192 * 2 ** 20
}
export default target

function httpRequest (who: number, method: string, path: string, headers: readonly string[], body: string): Buffer {
  const target = path.startsWith('/') ? path : `/.well-known/est/${path}`
  const head = [`${method} ${target} HTTP/1.1`, 'host: localhost', ...(method === 'POST' ? ['content-type: application/pkcs10', `content-length: ${body.length}`] : []), ...headers]
  return Buffer.concat([Buffer.from([who]), Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`, 'latin1')])
}

/** A request that is nearly right: any part of it may be another's, or mutated. */
function made (random: Random, known: readonly Buffer[]): Buffer {
  const path = pick(random, ['simpleenroll', 'simpleenroll', 'simplereenroll', 'simplereenroll', 'cacerts', 'csrattrs', 'fullcmc', 'constructor', 'label/simpleenroll', '../est/simpleenroll', '/', '*', '/.well-known/est/simpleenroll?x=1', '%73impleenroll'])
  const pem = chance(random, 0.5) ? pick(random, goodRequests) : pick(random, requests)
  const body = chance(random, 0.6) ? base64Of(pem) : chance(random, 0.5) ? mutate(random, Buffer.from(base64Of(pem)), known, 40_000).toString('latin1') : pick(random, [pem, '', '====', 'A'.repeat(below(random, 1, 40_000)), base64Of(pem).replaceAll('\n', '\r\n\t ')])
  const token = chance(random, 0.5) ? tokenText(parts) : mutate(random, Buffer.from(tokenText(parts)), known, 300).toString('latin1')
  const headers = [
    basic(pick(random, [...Object.values(ids), randomLike(random), ids.token.toUpperCase(), '', '../../x']), token),
    `authorization: ${pick(random, ['Bearer', 'bearer', 'Basic', 'Digest', ''])} ${token.replace(/[^ -~]/g, '')}`,
    'transfer-encoding: chunked', 'content-length: 5', 'content-length: -1', 'expect: 100-continue', 'content-type: application/json', 'content-transfer-encoding: base64', 'connection: close', 'upgrade: h2c', `x: ${'y'.repeat(below(random, 0, 9_000))}`
  ].filter((_, index) => chance(random, index === 0 ? 0.7 : index === 1 ? 0.3 : 0.03))
  const one = httpRequest(below(random, 0, 3), pick(random, [...Array<string>(12).fill('POST'), 'GET', 'PUT', 'CONNECT', 'PRI']), path, headers, body)
  const two = chance(random, 0.1) ? Buffer.concat([one, pick(random, known).subarray(1)]) : one // one behind the other
  return chance(random, 0.1) ? mutate(random, two, known, 60_000) : two
}

function randomLike (random: Random): string {
  return `${random.bytes(4).toString('hex')}-0000-4000-8000-${random.bytes(6).toString('hex')}`
}

async function open (): Promise<Subject> {
  const teardowns: Array<() => unknown> = []
  const maker = createMaker()
  const est = await startEst({ teardown: (fn) => { teardowns.unshift(fn) } }, { limits })
  await trustMaker(est.pki.dir, maker)
  await est.server.reloadCertificates()
  await est.tokens.make([randomUUID()]) // makes the folders
  const stored = { name: parts.name, device: ids.token, madeAtMs: Date.now(), expiresAtMs: Date.now() + 86_400_000, hash: hashSecret(parts.secret) }
  const identities: ReadonlyArray<DeviceIdentity | undefined> = [undefined, await est.pki.device(ids.device), maker.birth(ids.birth)]
  const keys = new Set(await Promise.all(goodRequests.map(async (pem) => hexOf(await publicKeyOfRequest(pem)))))
  let issued = await journalOf(est)
  return {
    outcomes: new Set(['issued', 'cacerts', 'csrattrs', 'unanswered', ...['400', '408', '417', '431'].map((status) => `http-${status}`), ...Object.keys(refusals).filter((reason) => !ours.has(reason))]),
    run: async (input) => {
      await writeKey(join(est.pki.dir, 'tokens', `${parts.name}.json`), JSON.stringify(stored), { overwrite: true })
      const who = (input[0] ?? 0) % identities.length
      const text = await converse(est, identities[who], input.subarray(1))
      if ((await est.ask('cacerts')).status !== 200) throw new Error('the next client is not served')
      const now = await journalOf(est)
      for (const name of now.slice(issued.length)) if (name !== ids.token && name !== identities[who]?.id) throw new Error(`a certificate for ${name}, which nobody was entitled to`)
      issued = now
      const fault = est.log.find((line) => /"level":"?(error|fatal|50|60)/.test(line))
      if (fault !== undefined) throw new Error(`the server logged: ${fault}`)
      est.log.length = est.events.length = 0
      return outcomeOf(text, keys)
    },
    close: async () => { for (const teardown of teardowns) await teardown() }
  }
}

/** Reasons that would be our own fault here. */
const ours: ReadonlySet<string> = new Set(['internal', 'unavailable', 'busy', 'stopping', 'rate', 'may-not-enrol'])

async function journalOf ({ pki }: TestEst): Promise<string[]> {
  const lines = (await readFile(pki.authority.paths.journal, 'utf8')).trim().split('\n').map((line) => JSON.parse(line) as { event: string, names: string[] })
  return lines.filter(({ event }) => event === 'issued').flatMap(({ names }) => names)
}

/** What came back until the server closed: the client never does. */
async function converse ({ server, pki }: TestEst, identity: DeviceIdentity | undefined, bytes: Buffer): Promise<string> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port: server.address.port, servername: 'localhost', ca: pki.ca, ...(identity && { key: identity.key, cert: identity.cert }) })
  let text = ''
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => { text += chunk.toString('latin1') })
  socket.write(bytes)
  await new Promise<void>((resolve) => { socket.once('close', () => { resolve() }) })
  return text
}

function outcomeOf (text: string, keys: ReadonlySet<string>): string {
  const answer = text.replace(/^(HTTP\/1\.1 100 Continue\r\n\r\n)+/, '')
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(answer) ?? []
  if (status === undefined) return answer === '' ? 'unanswered' : `no HTTP: ${answer.slice(0, 40)}`
  const [head = '', body = ''] = answer.split('\r\n\r\n', 2)
  if (/ at .*:\d+:\d+/.test(body)) throw new Error('a stack in an answer')
  if (status !== '200') return /\(([a-z-]+), request/.exec(body)?.[1] ?? `http-${status}`
  if (head.includes('application/csrattrs')) return 'csrattrs'
  if (!head.includes('smime-type=certs-only')) return 'cacerts'
  const length = Number(/content-length: (\d+)/.exec(head)?.[1])
  if (body.length >= length && !keys.has(hexOf(issuedIn({ status: 200, headers: {}, body: body.slice(0, length) }).publicKey))) throw new Error('certified a key of which nobody has shown the private half')
  return 'issued'
}

function hexOf (key: { export (options: { type: 'spki', format: 'der' }): Buffer }): string {
  return key.export({ type: 'spki', format: 'der' }).toString('hex')
}
