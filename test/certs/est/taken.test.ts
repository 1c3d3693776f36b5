// Whose a device id is: it is the first one's for whom a certificate was issued, whatever else is asked at the same moment, and whatever a
// process left behind that died in the middle. A maker and a token for any device may name any id: neither gets one that is another's.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { openAuthority } from '../../../certs/authority.ts'
import { enrolByEst } from '../../../simulator/enrol-est.ts'
import { startCli } from '../../fixtures/cli-process.ts'
import { createMaker, issuedIn, startEst, trustMaker, type Answered } from '../../fixtures/est.ts'
import { urlOfEst } from '../../fixtures/est-process.ts'

const statuses = (answers: readonly Answered[]): number[] => answers.map(({ status }) => status).sort((a, b) => a - b)
const many = <T>(count: number, make: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: count }, make))

test('an id with a certificate is not to be had with a token for any device, with however many requests at once [C14]', async (t) => {
  const { enrol, tokens, pki } = await startEst(t)
  const victim = await pki.device()
  const [one, ...others] = await tokens.make(Array<null>(21).fill(null))
  const auth = (token: string | undefined) => enrol('simpleenroll', { auth: `${victim.id}:${token}` })
  t.same(statuses(await many(40, () => auth(one?.token))), Array<number>(40).fill(403), 'one token')
  t.same(statuses(await Promise.all(others.map(({ token }) => auth(token)))), Array<number>(20).fill(403), 'twenty tokens')
  t.equal((await pki.authority.show(victim.id)).length, 1, 'nothing was issued')
  const id = randomUUID()
  t.equal((await enrol('simpleenroll', { auth: `${id}:${one?.token}` })).status, 200, 'and the token is as good as before')
})

test('nor with a birth certificate; and a maker\'s own stay the maker\'s, however many ask at once [C14]', async (t) => {
  const { enrol, server, pki } = await startEst(t)
  const [maker, other] = [createMaker(), createMaker('Another maker')]
  await trustMaker(pki.dir, maker)
  await trustMaker(pki.dir, other, 'other')
  await server.reloadCertificates()
  const victim = await pki.device()
  t.same(statuses(await many(20, () => enrol('simpleenroll', { identity: maker.birth(victim.id) }))), Array<number>(20).fill(403))
  t.equal((await pki.authority.show(victim.id)).length, 1)
  const id = randomUUID()
  const both = await Promise.all([maker, other].flatMap((each) => Array.from({ length: 5 }, () => enrol('simpleenroll', { identity: each.birth(id) }))))
  const [first, second] = [both.slice(0, 5), both.slice(5)].map(statuses)
  t.same([first?.[0], second?.[0]].sort(), [200, 403], 'one of the two makers')
  t.ok([first, second].every((each) => new Set(each).size === 1), 'and all of its requests')
})

test('a new id with several tokens at once: one certificate, and the other tokens are not spent', async (t) => {
  const { enrol, tokens, pki } = await startEst(t)
  const id = randomUUID()
  const made = await tokens.make(Array<null>(12).fill(null))
  const answers = await Promise.all(made.map(({ token }) => enrol('simpleenroll', { auth: `${id}:${token}` })))
  t.same(statuses(answers), [200, ...Array<number>(11).fill(403)])
  t.equal((await pki.authority.show(id)).length, 1)
  t.same((await tokens.list()).map(({ state }) => state).sort(), [...Array<string>(11).fill('open'), 'used'])
})

test('an operator who issues for the id at the same moment: what EST issues is the first, or nothing', async (t) => {
  const { enrol, tokens, pki } = await startEst(t)
  const operator = await openAuthority(pki.dir)
  const made = await tokens.make(Array<null>(25).fill(null))
  for (const { token } of made) {
    const id = randomUUID()
    const [answer] = await Promise.all([enrol('simpleenroll', { auth: `${id}:${token}` }), operator.issueDevice(id)])
    const first = (await operator.show(id))[0]?.serial
    if (answer.status === 200) t.equal(issuedIn(answer).serialNumber.replace(/^0+/, ''), first?.replace(/^0+/, ''))
    else t.equal(answer.status, 403)
  }
})

test('what an earlier version wrote down of a claim, in the middle of which it died, gives nobody an id', async (t) => {
  const { enrol, server, tokens, pki } = await startEst(t)
  const maker = createMaker()
  await trustMaker(pki.dir, maker)
  await server.reloadCertificates()
  const [byToken, byMaker] = await pki.devices([randomUUID(), randomUUID()])
  const [any] = await tokens.make([null])
  if (!byToken || !byMaker) throw new Error('no devices')
  await mkdir(join(pki.dir, 'claims'))
  await writeFile(join(pki.dir, 'claims', byToken.id), `token ${any?.name}`)
  await writeFile(join(pki.dir, 'claims', byMaker.id), `maker ${maker.fingerprint}`)
  t.equal((await enrol('simpleenroll', { auth: `${byToken.id}:${any?.token}` })).status, 403)
  t.equal((await enrol('simpleenroll', { identity: maker.birth(byMaker.id) })).status, 403)
})

test('killed at any moment of an enrolment: the id is free, or the first one\'s for whom something was issued', async (t) => {
  const { pki, tokens, server, enrol } = await startEst(t)
  const maker = createMaker()
  await trustMaker(pki.dir, maker)
  await server.reloadCertificates()
  let [free, taken] = [0, 0]
  for (const delayMs of [0, 8, 16, 30]) {
    const dying = startCli(t, 'certs', 'est', '--dir', pki.dir, '--port', '0', '--health-port', '0')
    const url = await urlOfEst(dying)
    const id = randomUUID()
    const [token, another] = await tokens.make([null, null])
    const asking = enrolByEst({ url, ca: pki.ca }, id, { token: token?.token ?? '' }, AbortSignal.timeout(20_000)).catch(() => {})
    setTimeout(() => { dying.child.kill('SIGKILL') }, delayMs)
    await Promise.all([asking, once(dying.child, 'close')])
    const issued = (await pki.authority.list()).some(({ names }) => names.includes(id))
    t.equal((await enrol('simpleenroll', { identity: maker.birth(id) })).status, issued ? 403 : 200, `after ${delayMs} ms: ${issued ? 'taken' : 'free'}`)
    t.equal((await enrol('simpleenroll', { auth: `${id}:${another?.token}` })).status, 403, 'now it is somebody\'s in any case')
    if (issued) taken++
    else free++
  }
  t.comment(`${free} times free, ${taken} times taken`)
})

test('a birth certificate does not undo a revocation: not before somebody has given the device a token [C4]', async (t) => {
  const { enrol, server, tokens, pki, events } = await startEst(t)
  const maker = createMaker()
  await trustMaker(pki.dir, maker)
  await server.reloadCertificates()
  const birth = maker.birth()
  const born = async () => await enrol('simpleenroll', { identity: birth })
  const serial = issuedIn(await born()).serialNumber
  await pki.authority.revoke(serial, 'superseded')
  t.equal((await born()).status, 200, 'a reason that says nothing against the device')
  await pki.authority.revoke(birth.id, 'keyCompromise')
  t.same(statuses(await many(10, born)), Array<number>(10).fill(403))
  t.match(await born(), { body: /token[^]*\(revoked, request/ })
  t.match(events.at(-1), { subtype: 'enrolment-refused', reason: 'revoked', detail: { claims: birth.id } })
  const [token] = await tokens.make([birth.id])
  t.equal((await enrol('simpleenroll', { auth: `${birth.id}:${token?.token}` })).status, 200)
  t.match(await born(), { status: 403, body: /\(id-taken, request/ }, 'whoever has the token is the owner now: the birth key may be the thief\'s')
  const other = maker.birth()
  const [, revoked] = await Promise.all([many(10, () => enrol('simpleenroll', { identity: other })), pki.authority.revokeAll([other.id], 'privilegeWithdrawn')])
  const living = (await pki.authority.list()).filter(({ names, revoked }) => names.includes(other.id) && revoked === undefined)
  t.equal(living.length > 0, revoked.unknown.length > 0, 'at the same moment: all before it are revoked, none comes after it')
})

test('a device that was stolen and replaced under its id: the birth key of the stolen one is worth nothing, however the new one came [C4]', async (t) => {
  const { enrol, server, tokens, pki } = await startEst(t)
  const maker = createMaker()
  await trustMaker(pki.dir, maker)
  await server.reloadCertificates()
  for (const replaced of ['token', 'issue'] as const) {
    const stolen = maker.birth()
    const born = async () => await enrol('simpleenroll', { identity: stolen })
    t.equal((await born()).status, 200)
    await pki.authority.revoke(stolen.id, 'keyCompromise')
    if (replaced === 'issue') await pki.authority.issueDevice(stolen.id)
    const [token] = replaced === 'token' ? await tokens.make([stolen.id]) : []
    if (token) t.equal((await enrol('simpleenroll', { auth: `${stolen.id}:${token.token}` })).status, 200)
    t.same(statuses(await many(5, born)), Array<number>(5).fill(403), replaced)
    await pki.authority.revoke(stolen.id, 'keyCompromise')
    t.match(await born(), { status: 403 }, 'nor after another revocation')
    await server.reloadCertificates()
    t.match(await born(), { status: 403 })
  }
})

test('a device whose certificate had ended when it was revoked is kept out like any other [C4]', async (t) => {
  const { enrol, server, tokens, pki } = await startEst(t, { days: 1 / 86_400 })
  const maker = createMaker()
  await trustMaker(pki.dir, maker)
  await server.reloadCertificates()
  const birth = maker.birth()
  const born = async () => await enrol('simpleenroll', { identity: birth })
  t.equal((await born()).status, 200)
  const last = issuedIn(await born())
  while (Date.parse((await pki.authority.show(last.serialNumber))[0]?.notAfter ?? '') >= Date.now()) await delay(100)
  t.match(await pki.authority.revoke(birth.id, 'superseded'), { revoked: { length: 0 }, alreadyRevoked: { length: 0 } }, 'a reason that says nothing against the device')
  t.match(await pki.authority.revoke(birth.id, 'keyCompromise'), { revoked: { length: 1, 0: { serial: last.serialNumber } }, alreadyRevoked: { length: 0 } })
  t.match(await pki.authority.revoke(birth.id, 'keyCompromise'), { revoked: { length: 0 }, alreadyRevoked: { length: 1 } }, 'once is enough')
  t.match(await born(), { status: 403, body: /\(revoked, request/ })
  const [token] = await tokens.make([birth.id])
  t.equal((await enrol('simpleenroll', { auth: `${birth.id}:${token?.token}` })).status, 200)
})
