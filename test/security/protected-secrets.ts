// What sealing, enrolment and administration keep secret, put to use against a running program: a token made, listed, sent over EST, sent
// again and in the wrong place; a sealed export of what was stored; every administration route, with secrets in what is asked. Gives what
// came out of each, and the secrets that must be nowhere in it.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent, request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { authorityPaths } from '../../certs/files.ts'
import { issueOperator } from '../../certs/operators.ts'
import { parseToken } from '../../certs/token-text.ts'
import { createDeviceKeyAndRequest } from '../../certs/request.ts'
import { type OperatorRole } from '../../runtime/operator-roles.ts'
import { type Canary, keyCanaries, textCanary } from './canaries.ts'

export interface Secrets {
  readonly canaries: readonly Canary[]
  /** Name → what came out. */
  readonly outputs: Record<string, string | Buffer>
  /** Name → status of each answer over HTTPS. */
  readonly statuses: Record<string, number>
}

/** Of a program that keeps its data in `data`; `away` runs a command against it, and gives its output. */
export interface Place { readonly data: string, readonly away: (...words: string[]) => string }

/** `id`: a device whose readings are stored. */
export function sealedSecrets ({ data, away }: Place, id: string): Pick<Secrets, 'canaries' | 'outputs'> & { opened: string } {
  const [file, other] = [join(data, 'canary.pgx'), authorityPaths(join(data, 'certs')).serverKey]
  const outputs: Record<string, string | Buffer> = {
    export: away('export', 'device', id, '--from', '2020-01-01', '--output', file, '--data', data, '--purpose', 'canaries'),
    'export again': away('export', 'device', id, '--from', '2020-01-01', '--output', file, '--data', data),
    'keys list': away('keys', 'list', '--json', '--data', data),
    'keys rotate': away('keys', 'rotate', '--data', data),
    'keys init, again': away('keys', 'init', '--data', data),
    'a master key that is none': away('keys', 'rotate', '--master-key', other),
    'sealed export': readFileSync(file)
  }
  const master = readFileSync(join(data, 'keys', 'master.key'), 'utf8').trim()
  return {
    outputs,
    opened: away('export', 'open', file, '--data', data),
    canaries: [{ place: 'master key, base64', bytes: Buffer.from(master) }, { place: 'master key', bytes: Buffer.from(master, 'base64') }, ...keyCanaries('a key as master key', readFileSync(other, 'utf8'))]
  }
}

/** `url`: `https://host:port`, of EST. */
export async function enrolmentSecrets ({ data, away }: Place, url: string): Promise<Secrets> {
  const [file, certs] = [join(data, 'tokens.txt'), join(data, 'certs')]
  const outputs: Record<string, string> = { 'certs token': away('certs', 'token', '--any', '--out', file, '--dir', certs) }
  const token = readFileSync(file, 'utf8').trim().split(' ')[1] ?? ''
  const statuses: Record<string, number> = {}
  const send = async (name: string, path: string, headers: Record<string, string>) => {
    const body = (await createDeviceKeyAndRequest(randomUUID())).requestPem.replace(/-----[^-]+-----/g, '').trim()
    const answer = await ask(`${url}${path}`, { data, method: 'POST', headers: { 'content-type': 'application/pkcs10', ...headers }, body })
    outputs[name] = `${answer.status} ${answer.body}`
    statuses[name] = answer.status
  }
  const enroll = '/.well-known/est/simpleenroll'
  const basic = (user: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` })
  const id = randomUUID()
  await send('EST, token as a path', `/.well-known/est/${token}/simpleenroll`, {})
  await send('EST, token as bearer', enroll, { authorization: `Bearer ${token}` })
  await send('EST, token as user', enroll, basic(token, token))
  await send('EST, token as content type', enroll, { ...basic(randomUUID(), 'none'), 'content-type': token })
  await send('EST, token', enroll, basic(id, token))
  await send('EST, token used again', enroll, basic(id, token))
  outputs['certs tokens'] = away('certs', 'tokens', '--all', '--dir', certs, '--json') + away('certs', 'tokens', '--all', '--dir', certs)
  return { outputs, statuses, canaries: [{ place: 'enrolment token', bytes: Buffer.from(parseToken(token)?.secret ?? '') }] }
}

/** Makes the operators' authority and its people; before the program starts. */
export async function makePeople (data: string): Promise<void> {
  for (const role of ['operator', 'auditor'] as const) await issueOperator(join(data, 'certs'), { name: `canary-${role}`, role })
}

/** `url`: `https://host:port`, of administration; `id`: a device that is registered. */
export async function administrationSecrets ({ data }: Place, url: string, id: string): Promise<Secrets> {
  const [command, body, search, path, state] = ['command to a device', 'body that is no JSON', 'search', 'path of administration', 'state'].map(textCanary) as [Canary, Canary, Canary, Canary, Canary]
  const plain = ({ bytes }: Canary) => bytes.toString()
  const outputs: Record<string, string> = {}
  const statuses: Record<string, number> = {}
  const send = async (role: OperatorRole, method: string, what: string, of: string, sent?: string) => {
    const answer = await ask(`${url}${what}`, { data, method, role, headers: { 'content-type': 'application/json' }, ...(sent !== undefined && { body: sent }) })
    outputs[of] = `${answer.status} ${answer.body}`
    statuses[of] = answer.status
  }
  await send('operator', 'GET', '/v1/whoami', 'whoami')
  await send('operator', 'GET', '/v1/status', 'status')
  await send('operator', 'GET', `/v1/devices?search=${plain(search)}`, 'devices')
  await send('operator', 'GET', `/v1/devices?state=${plain(search)}`, 'devices, no such state')
  await send('operator', 'POST', `/v1/devices/${id}/state`, 'state', JSON.stringify({ state: plain(state) }))
  await send('operator', 'POST', `/v1/devices/${id}/command`, 'command', JSON.stringify({ hex: command.bytes.toString('hex') }))
  await send('operator', 'POST', `/v1/devices/${id}/command`, 'command, no JSON', `{"hex": "${plain(body)}`)
  await send('operator', 'POST', `/v1/devices/${id}/command`, 'command, no hex', JSON.stringify({ hex: plain(body) }))
  await send('operator', 'POST', `/v1/devices/${plain(path)}/disconnect`, 'disconnect, no id')
  await send('operator', 'POST', `/v1/devices/${id}/disconnect`, 'disconnect')
  await send('operator', 'POST', `/v1/devices/${id}/pardon`, 'pardon')
  await send('operator', 'GET', `/v1/${plain(path)}`, 'no such page')
  await send('auditor', 'GET', '/v1/audit?limit=1000', 'audit')
  const keys = ['operator', 'auditor'].flatMap((role) => keyCanaries(`key of ${role}`, readFileSync(keyOf(data, `canary-${role}`), 'utf8')))
  return { outputs, statuses, canaries: [command, body, search, path, state, ...keys] }
}

const keyOf = (data: string, name: string) => join(data, 'certs', 'operators', 'people', `${name}.key`)

interface Asked { readonly data: string, readonly method: string, readonly headers: Record<string, string>, readonly role?: OperatorRole, readonly body?: string }

function ask (url: string, { data, method, headers, role, body }: Asked): Promise<{ status: number, body: string }> {
  const people = join(data, 'certs', 'operators', 'people')
  const shown = role === undefined ? {} : { key: readFileSync(keyOf(data, `canary-${role}`)), cert: readFileSync(join(people, `canary-${role}.crt`)) }
  const agent = new Agent({ ca: readFileSync(authorityPaths(join(data, 'certs')).ca), ...shown })
  return new Promise((resolve, reject) => {
    const request = httpsRequest(url, { agent, method, headers: { ...headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) } }, (response) => {
      text(response).then((all) => { resolve({ status: response.statusCode ?? 0, body: all }) }, reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}
