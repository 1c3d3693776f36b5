// What doctor looks at in the certificates' folder: does each file hold what it should, how long is it good for, and are the
// revocation lists fresh. Reads public files only; a private key is looked at for its mode, never opened.
import { readFile, stat } from 'node:fs/promises'
import { describeCertificates, renewalDueMs } from '../certs/describe.ts'
import { authorityPaths, type AuthorityPaths } from '../certs/files.ts'
import { operatorsDirectory } from '../certs/operators.ts'
import { listStates } from '../certs/revocation.ts'
import { folderFault } from '../runtime/owner-only.ts'
import { type Finding } from './doctor-finding.ts'

/** The findings of the folder of the authority; none of it there at all is fine: `pulsegate up` makes it. */
export async function checkCertificates (directory: string, nowMs = Date.now()): Promise<Finding[]> {
  const paths = authorityPaths(directory)
  if (!await isThere(paths.rootCertificate)) {
    return [{ name: 'certificates', status: 'ok', detail: `none in ${directory} yet; \`pulsegate up\` or \`pulsegate certs init\` makes them` }]
  }
  return [
    ...await checkAuthority(paths, { who: 'device', prefix: '', option: '' }, nowMs),
    await checkCertificate('server certificate', paths.serverCertificate, nowMs, '`pulsegate up` renews it; otherwise issue it anew with `pulsegate certs`'),
    await checkKeyMode('server key', paths.serverKey),
    ...await checkOperators(authorityPaths(operatorsDirectory(directory)), nowMs)
  ]
}

/** Whom the authority lets in, what its findings are called, and what commands need to reach it. */
interface Whose { readonly who: string, readonly prefix: string, readonly option: string }

async function checkAuthority (paths: AuthorityPaths, { who, prefix, option }: Whose, nowMs: number): Promise<Finding[]> {
  return Promise.all([
    checkCertificate(`${prefix}root certificate`, paths.rootCertificate, nowMs, `\`pulsegate certs ca prepare --new-root${option}\` with the root key at hand, in time`),
    checkCertificate(`${prefix}issuing certificate`, paths.issuingCertificate, nowMs, `\`pulsegate certs ca prepare${option}\` with the root key at hand, then \`activate\``),
    checkFolder(`${prefix}certificates folder`, paths.directory),
    checkLists(`${prefix}revocation lists`, paths, nowMs, `\`pulsegate certs crl${option}\` writes new ones; without fresh lists no ${who} can connect`)
  ])
}

/** Nothing where nobody administers. */
async function checkOperators (paths: AuthorityPaths, nowMs: number): Promise<Finding[]> {
  return await isThere(paths.ca) ? checkAuthority(paths, { who: 'operator', prefix: 'operators\' ', option: ` --dir ${paths.directory}` }, nowMs) : []
}

async function checkCertificate (name: string, path: string, nowMs: number, renew: string): Promise<Finding> {
  const pem = await readFile(path, 'utf8').catch(() => null)
  if (pem === null) return { name, status: 'fail', detail: `${path} cannot be read`, todo: renew }
  const [certificate] = describeCertificates(path, pem)
  if (!certificate) return { name, status: 'fail', detail: `${path} holds no certificate`, todo: renew }
  return { name, ...lifeOf(Date.parse(certificate.notBefore), Date.parse(certificate.notAfter), renewalDueMs(pem), nowMs), todo: renew }
}

/** Good, due for renewal, or not valid now. */
export function lifeOf (fromMs: number, untilMs: number, dueMs: number, nowMs: number): Pick<Finding, 'status' | 'detail'> {
  const until = new Date(untilMs).toISOString().slice(0, 10)
  if (nowMs < fromMs) return { status: 'fail', detail: `valid only from ${new Date(fromMs).toISOString()}: is this machine's clock right?` }
  if (nowMs >= untilMs) return { status: 'fail', detail: `expired on ${until}` }
  const days = Math.floor((untilMs - nowMs) / 86_400_000)
  return { status: nowMs >= dueMs ? 'warn' : 'ok', detail: `good for ${days} days, until ${until}` }
}

async function checkKeyMode (name: string, path: string): Promise<Finding> {
  const mode = await stat(path).then((stats) => stats.mode & 0o077, () => null)
  if (mode === null) return { name, status: 'fail', detail: `${path} is not there`, todo: 'issue the server certificate anew with `pulsegate certs`' }
  return mode === 0
    ? { name, status: 'ok', detail: 'for its owner only' }
    : { name, status: 'fail', detail: `${path} can be read by others`, todo: `chmod 600 ${path}, and issue it anew if others may have read it` }
}

async function checkFolder (name: string, path: string): Promise<Finding> {
  const { mode, uid } = await stat(path)
  const fault = folderFault({ path, mode, owner: uid, us: process.geteuid?.() })
  return fault === null ? { name, status: 'ok', detail: 'for its owner only' } : { name, status: 'fail', detail: fault.replace(/ Run: .*/, ''), todo: fault.replace(/.* Run: /, '') }
}

async function checkLists (name: string, paths: AuthorityPaths, nowMs: number, todo: string): Promise<Finding> {
  const states = await listStates(paths).catch((): Awaited<ReturnType<typeof listStates>> => [])
  const known = states.filter((state) => state !== null)
  if (known.length < states.length || known.length === 0) return { name, status: 'fail', detail: 'missing or damaged', todo }
  const soonest = known.reduce((a, b) => a.nextUpdate < b.nextUpdate ? a : b)
  const fromMs = soonest.thisUpdate.getTime()
  const untilMs = soonest.nextUpdate.getTime()
  return { name, ...lifeOf(fromMs, untilMs, (fromMs + untilMs) / 2, nowMs), todo }
}

async function isThere (path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false)
}
