// The EST server's gate and bounds, over real TLS: who gets a certificate, who does not and what they are told, and what it costs.
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { connect as tlsConnect } from 'node:tls'
import { test } from 'tap'
import { createDeviceKeyAndRequest } from '../../../certs/request.ts'
import { deviceExtensions, leafExtensions } from '../../../certs/profile.ts'
import { answersOn, base64Of, createMaker, issuedIn, startEst, trustMaker } from '../../fixtures/est.ts'
import { type BadKind } from '../../fixtures/pki.ts'

const pkcs10 = { 'content-type': 'application/pkcs10' }

test('a request that is not EST is answered with what is wrong, and nothing more', async (t) => {
  const { ask, enrol, events } = await startEst(t)
  const body = base64Of((await createDeviceKeyAndRequest(randomUUID())).requestPem)
  const post = { method: 'POST', headers: pkcs10, body }
  const cases: Array<[string, Parameters<typeof ask>, number, RegExp]> = [
    ['another path', ['/'], 404, /\(not-found,/],
    ['full CMC', ['fullcmc', post], 404, /\(not-found,/],
    ['keys made on the server', ['serverkeygen', post], 404, /\(not-found,/],
    ['a label', ['/.well-known/est/ward7/simpleenroll', post], 404, /\(label,/],
    ['a path that climbs', ['/.well-known/est/../est/cacerts/..', {}], 404, /\(not-found,/],
    ['a property of every object', ['constructor', post], 404, /\(not-found,/],
    ['GET of what is posted', ['simpleenroll'], 405, /\(method,/],
    ['POST of what is got', ['cacerts', post], 405, /\(method,/],
    ['JSON', ['simpleenroll', { ...post, headers: { 'content-type': 'application/json' } }], 415, /\(media-type,/],
    ['no media type', ['simpleenroll', { ...post, headers: {} }], 415, /\(media-type,/],
    ['a large body', ['simpleenroll', { ...post, body: Buffer.alloc(200_000, 0x41) }], 413, /\(too-large,/],
    ['a large body in chunks', ['simpleenroll', { ...post, headers: { ...pkcs10, 'transfer-encoding': 'chunked' }, body: Buffer.alloc(200_000, 0x41) }], 413, /\(too-large,/],
    ['not base64', ['simpleenroll', { ...post, body: '<html>' }], 400, /\(request,/],
    ['nothing', ['simpleenroll', { ...post, body: '' }], 400, /\(request,/],
    ['no credentials', ['simpleenroll', post], 401, /\(no-credentials,/],
    ['renewal with nothing', ['simplereenroll', post], 401, /\(no-certificate,/],
    ['another scheme', ['simpleenroll', { ...post, headers: { ...pkcs10, authorization: 'Negotiate abc' } }], 401, /\(authorization,/],
    ['Basic that is none', ['simpleenroll', { ...post, headers: { ...pkcs10, authorization: 'Basic ====' } }], 401, /\(authorization,/],
    ['a user that is no device', ['simpleenroll', { ...post, auth: 'admin:admin' }], 400, /\(no-device-id,/],
    ['a token that never was', ['simpleenroll', { ...post, auth: `${randomUUID()}:pgt_0000000000000000_${'A'.repeat(43)}` }], 401, /\(token,/],
    ['a token with a path in it', ['simpleenroll', { ...post, auth: `${randomUUID()}:pgt_../../../../etc_${'A'.repeat(43)}` }], 401, /\(token,/]
  ]
  for (const [what, args, status, text] of cases) {
    const answer = await ask(...args)
    t.equal(answer.status, status, what)
    t.match(answer.body, text, what)
    t.notMatch(answer.body, / at .*:\d+|node:|\.ts\b/, `${what}: no stack`)
    if (status === 401) t.match(answer.headers['www-authenticate'], /Basic realm=.*Bearer/)
    if (status === 405) t.ok(answer.headers['allow'])
  }
  t.equal((await ask('csrattrs')).headers['content-type'], 'application/csrattrs')
  t.equal((await ask('cacerts', { method: 'HEAD' })).body, '')
  t.equal((await enrol('simpleenroll')).headers['cache-control'], 'no-store')
  t.ok(events.every(({ type, subtype }) => type === 'certificate' && subtype === 'enrolment-refused'))
})

test('a token enrols its own device, once: another id, a second use, a revoked and an ended one are refused [C14]', async (t) => {
  const { enrol, tokens, events, log } = await startEst(t)
  const [id, other] = [randomUUID(), randomUUID()]
  const [good, ended, revoked, bearer] = [...await tokens.make([id]), ...await tokens.make([id], 60_000, Date.now() - 61_000), ...await tokens.make([id, id])]
  if (!good || !ended || !revoked || !bearer) throw new Error('no tokens')
  await tokens.revoke(revoked.name)
  const refused = async (auth: string, reason: string): Promise<void> => {
    const { status, body } = await enrol('simpleenroll', { auth })
    t.equal(status, 401, reason)
    t.match(events.at(-1), { subtype: 'enrolment-refused', reason: `token-${reason}` })
    t.match(body, /unknown, used, revoked, past its end, or made for another device/, 'the answer does not say which')
  }
  await refused(`${other}:${good.token}`, 'wrong-device')
  await refused(`${id}:${good.token.slice(0, -1)}${good.token.endsWith('A') ? 'B' : 'A'}`, 'unknown')
  await refused(`${id}:${ended.token}`, 'expired')
  await refused(`${id}:${revoked.token}`, 'revoked')
  t.equal(issuedIn(await enrol('simpleenroll', { auth: `${id.toUpperCase()}:${good.token}` })).subjectAltName, `URI:urn:uuid:${id}`, 'the refusals have cost it nothing')
  await refused(`${id}:${good.token}`, 'used')
  const { requestPem } = await createDeviceKeyAndRequest(other)
  t.equal((await enrol('simpleenroll', { pem: requestPem })).status, 401)
  const told = JSON.stringify(events) + log.join('')
  for (const { token } of [good, ended, revoked]) t.notMatch(told, token.slice(21), 'no token in log or audit')
})

test('twenty at once with one token: one certificate', async (t) => {
  const { enrol, tokens, pki } = await startEst(t)
  const id = randomUUID()
  const [token] = await tokens.make([id])
  const answers = await Promise.all(Array.from({ length: 20 }, () => enrol('simpleenroll', { auth: `${id}:${token?.token}` })))
  t.same(answers.map(({ status }) => status).sort(), [200, ...Array<number>(19).fill(401)])
  t.equal((await pki.authority.show(id)).length, 1, 'and one line in the journal')
})

test('a token for any device enrols new ids only, and Bearer is for tokens that name their device', async (t) => {
  const { ask, enrol, tokens, pki, events } = await startEst(t)
  const known = await pki.device()
  const [any, bound] = await tokens.make([null, randomUUID()])
  const bearer = async (token: string | undefined) => ask('simpleenroll', { method: 'POST', headers: { ...pkcs10, authorization: `Bearer ${token}` }, body: base64Of((await createDeviceKeyAndRequest(randomUUID())).requestPem) })
  t.match(await enrol('simpleenroll', { auth: `${known.id}:${any?.token}` }), { status: 403, body: /id-taken/ })
  t.equal((await bearer(any?.token)).status, 401, 'it does not say for which device')
  const id = randomUUID()
  t.equal(issuedIn(await enrol('simpleenroll', { auth: `${id}:${any?.token}` })).subjectAltName, `URI:urn:uuid:${id}`)
  t.equal(issuedIn(await bearer(bound?.token)).subjectAltName, `URI:urn:uuid:${bound?.device}`)
  const [more] = await tokens.make([null])
  t.equal((await enrol('simpleenroll', { auth: `${id}:${more?.token}` })).status, 403, 'nor one that was new a moment ago')
  t.match(events.at(-1), { reason: 'id-taken', detail: { claims: id } })
})

test('renewal: the id of the certificate shown, a new key, and nothing for a certificate that does not count [C1]', async (t) => {
  const { enrol, pki, events } = await startEst(t)
  const device = await pki.device()
  const { requestPem, keyPem } = await createDeviceKeyAndRequest(randomUUID()) // names another device: ignored
  const renewed = issuedIn(await enrol('simplereenroll', { identity: device, pem: requestPem }))
  t.equal(renewed.subjectAltName, `URI:urn:uuid:${device.id}`)
  const next = { id: device.id, key: keyPem, cert: renewed.toString() }
  t.match(await enrol('simplereenroll', { identity: next, pem: requestPem }), { status: 400, body: /same-key/ }, 'the same key again')
  t.equal((await enrol('simplereenroll', { identity: next })).status, 200, 'a chain of renewals')
  t.equal((await enrol('simplereenroll', { identity: device })).status, 200, 'the old one stays good: the device may have lost the new one')
  t.match(await enrol('simpleenroll', { identity: device }), { status: 403, body: /wrong-operation/ })
  const faults: Record<BadKind, string> = {
    foreignCa: 'from no authority or maker that is known here',
    selfSigned: 'from no authority or maker that is known here',
    expired: 'CERT_HAS_EXPIRED',
    notYetValid: 'CERT_NOT_YET_VALID',
    revoked: 'CERT_REVOKED',
    serverAuthOnly: 'INVALID_PURPOSE',
    noEku: 'not for client authentication',
    twoUriSans: 'without exactly one urn:uuid name',
    noUriSan: 'without exactly one urn:uuid name'
  }
  for (const [kind, reason] of Object.entries(faults) as Array<[BadKind, string]>) {
    t.equal((await enrol('simplereenroll', { identity: pki.bad[kind] })).status, 403, kind)
    t.match(events.at(-1), { subtype: 'enrolment-refused', reason }, kind)
    t.equal((await enrol('simpleenroll', { identity: pki.bad[kind] })).status, 403, `${kind}: not for a first one either`)
  }
})

test('revoked a moment ago, with no list read since, on a connection from before: no renewal [C4]', async (t) => {
  const { server, pki, events } = await startEst(t)
  const device = await pki.device()
  const socket = tlsConnect({ host: '127.0.0.1', port: server.address.port, servername: 'localhost', ca: pki.ca, key: device.key, cert: device.cert })
  const answers = answersOn(socket)
  const ask = async (): Promise<string> => {
    const body = base64Of((await createDeviceKeyAndRequest(device.id)).requestPem)
    socket.write(`POST /.well-known/est/simplereenroll HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/pkcs10\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    return await answers.next()
  }
  t.match(await ask(), /^HTTP\/1.1 200/)
  await pki.authority.revoke(device.id, 'keyCompromise')
  t.match(await ask(), /^HTTP\/1.1 403/)
  t.match(events.at(-1), { reason: 'CERT_REVOKED', agent: { certificateSerial: /^[0-9A-F]+$/ } })
  socket.destroy()
})

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`no session is resumed (${version}): Node would call one without a certificate authorized [C4]`, async (t) => {
    const { server, pki } = await startEst(t)
    const device = await pki.device()
    for (const identity of [{}, { key: device.key, cert: device.cert }]) {
      const options = { host: '127.0.0.1', port: server.address.port, servername: 'localhost', ca: pki.ca, minVersion: version, maxVersion: version }
      const first = tlsConnect({ ...options, ...identity })
      let session: Buffer | undefined
      first.on('session', (ticket: Buffer) => { session = ticket })
      const answers = answersOn(first)
      first.write('GET /.well-known/est/cacerts HTTP/1.1\r\nhost: localhost\r\n\r\n')
      t.match(await answers.next(), /^HTTP\/1.1 200/)
      session ??= first.getSession()
      first.destroy()
      const second = tlsConnect({ ...options, ...(session && { session }) }) // without the certificate, with what it left
      const body = base64Of((await createDeviceKeyAndRequest(device.id)).requestPem)
      const answer = answersOn(second)
      second.write(`POST /.well-known/est/simplereenroll HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/pkcs10\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
      t.match(await answer.next(), /^HTTP\/1.1 401/, 'nobody without a certificate')
      t.notOk(second.isSessionReused())
      second.destroy()
    }
  })
}

test('a maker enrols its own devices only: no other\'s id, no CA, nothing ended, weak or without a name', async (t) => {
  const { enrol, server, pki, events } = await startEst(t)
  const [maker, second] = [createMaker(), createMaker('Another maker')]
  await trustMaker(pki.dir, maker)
  await trustMaker(pki.dir, second, 'second')
  await server.reloadCertificates()
  const birth = maker.birth()
  const first = issuedIn(await enrol('simpleenroll', { identity: birth }))
  t.equal(first.subjectAltName, `URI:urn:uuid:${birth.id}`)
  t.match(events.at(-1), { subtype: 'issued', agent: { id: birth.id }, detail: { by: 'birth' } })
  t.match(await enrol('simplereenroll', { identity: birth }), { status: 403, body: /wrong-operation/ })
  t.match(await enrol('simpleenroll', { identity: second.birth(birth.id) }), { status: 403, body: /id-taken/ }, 'another maker takes no device of the first')
  t.match(await enrol('simpleenroll', { identity: maker.birth((await pki.device()).id) }), { status: 403, body: /id-taken/ }, 'nor one of nobody\'s making')
  t.equal((await enrol('simpleenroll', { identity: maker.birth(birth.id) })).status, 200, 'its own again')
  const noUse = maker.birth(undefined, { extensions: [...leafExtensions(), ...deviceExtensions(randomUUID()).slice(-1)] })
  t.equal((await enrol('simpleenroll', { identity: noUse })).status, 200, 'many makers leave out the extended key usage')
  for (const [fault, bad] of [
    ['past its end', maker.birth(undefined, { life: [-2, -1] })],
    ['not valid yet', maker.birth(undefined, { life: [1, 2] })],
    ['without exactly one urn:uuid name', maker.birth(undefined, { extensions: leafExtensions('1.3.6.1.5.5.7.3.2') })],
    ['not for client authentication', maker.birth(undefined, { extensions: leafExtensions('1.3.6.1.5.5.7.3.1') })]
  ] as const) {
    t.equal((await enrol('simpleenroll', { identity: bad })).status, 403, fault)
    t.match(events.at(-1), { reason: new RegExp(fault) })
  }
  await rm(`${pki.dir}/makers/maker.pem`)
  await server.reloadCertificates()
  t.equal((await enrol('simpleenroll', { identity: maker.birth() })).status, 403, 'no longer trusted')
})

test('what the registry says counts for token, birth certificate and renewal; when it cannot be asked the device shall come again', async (t) => {
  let state: true | string | Error = 'retired'
  const { enrol, pki, tokens, events } = await startEst(t, { mayEnrol: async () => { if (state instanceof Error) throw state; return state } })
  const device = await pki.device()
  const [token] = await tokens.make([device.id])
  t.match(await enrol('simplereenroll', { identity: device }), { status: 403, body: /may-not-enrol/ })
  t.match(events.at(-1), { reason: 'retired' })
  t.equal((await enrol('simpleenroll', { auth: `${device.id}:${token?.token}` })).status, 403)
  state = new Error('no connection to postgres://secret')
  const away = await enrol('simplereenroll', { identity: device })
  t.match(away, { status: 503, headers: { 'retry-after': /\d/ } })
  t.notMatch(away.body, 'postgres')
  state = true
  t.equal((await enrol('simpleenroll', { auth: `${device.id}:${token?.token}` })).status, 200, 'the token was not spent')
})
