// Changing the issuing CA, and with it the root if wanted, while devices live on: takes one step at a time and can take it back.
//
//   steady ──prepare──▶ prepared ──activate──▶ activated ──retire──▶ steady
//          ◀─rollback──          ◀──rollback──            ◀─rollback─
//
// prepared: both are trusted, the old one issues; activated: both are trusted, the new one issues. At every moment the lists and the
// bundle on disk let every device in that has a good certificate of a trusted CA: lists come before the CA they belong to,
// and go after it. A step that was cut off is finished by whichever comes next, which then does nothing else.
import { PulsegateError } from '../runtime/errors.ts'
import { readRequired, syncDirectory, writePublic, type AuthorityPaths } from './files.ts'
import { hasEncryptedServerKey, issueServerFiles } from './issue.ts'
import { readJournal, type CertificateRecord } from './journal.ts'
import { issuingCa, livingCas, phaseOf, readLayout, writeLayout, type CaEntry, type CaState, type Layout, type Phase } from './layout.ts'
import { withLock } from './lock.ts'
import { destroyKeys, dropLayout1Key, makeCa, moveToLayout2, type RootWish } from './new-ca.ts'
import { writeLists } from './revocation.ts'
import { lockedOut, type LockedOut } from './rotation-status.ts'
import { namesOfServer } from './server-names.ts'
import { loadCa, loadRoot, loadRoots, loadState, rootSigners, type AuthorityState, type SigningCa } from './state.ts'

export interface RotationOptions {
  /** An open authority's. */
  readonly paths: AuthorityPaths
  readonly passphrase?: string | undefined
}

export interface StepReport {
  readonly step: 'prepare' | 'activate' | 'retire' | 'rollback'
  readonly phase: Phase
  /** Serial of the CA that issues now. */
  readonly issuing: string
  /** Serials of all CAs that are trusted now. */
  readonly trusted: readonly string[]
  /** The server certificate was issued anew, by the CA that issues now. */
  readonly server: boolean
  /** An earlier step had been cut off; it is finished now, and this one was not begun. */
  readonly finishedEarlier: boolean
}

/** Makes the next issuing CA and has it trusted. Needs the root key. Throws CERTS_PHASE_WRONG, CERTS_ROOT_KEY_ABSENT. */
export async function prepare (options: RotationOptions, wish: RootWish): Promise<StepReport> {
  return await step('prepare', options, async (layout, before) => {
    expectPhase(layout, 'steady', 'prepare')
    const { paths, passphrase } = options
    // first what can fail for want of the root key: then no second copy of the issuing key lies about
    const made = await makeCa(paths, { layout, signedBy: before.cas[0], wish, passphrase })
    await moveToLayout2(paths, layout)
    // the time to go back to a retired one is over
    return [...layout.cas.map((ca) => ca.state === 'retired' ? { ...ca, state: 'withdrawn' as const } : ca), made]
  })
}

/** Has the next CA issue from now on, the server certificate first. */
export async function activate (options: RotationOptions): Promise<StepReport> {
  return await step('activate', options, async (layout, before) => {
    expectPhase(layout, 'prepared', 'activate')
    const [, next] = before.cas
    await refuseEnded(options.paths, next as SigningCa)
    return swapped(layout)
  })
}

/** Drops the CA before. Throws CERTS_CA_IN_USE when that locks devices out, unless `force`. */
export async function retire (options: RotationOptions, { force }: { readonly force: boolean }): Promise<StepReport> {
  return await step('retire', options, async (layout, before, records) => {
    expectPhase(layout, 'activated', 'retire')
    const [, old] = before.cas
    if (!force) refuseInUse(lockedOut(records, (old as SigningCa).serial, Date.now()))
    return layout.cas.map((ca) => ca.state === 'trusted' ? { ...ca, state: 'retired' as const } : ca)
  })
}

/** Takes the last step back. From `prepared` it drops the CA that was made, which throws CERTS_CA_IN_USE when it has issued, unless `force`. */
export async function rollback (options: RotationOptions, { force }: { readonly force: boolean }): Promise<StepReport> {
  return await step('rollback', options, async (layout, before, records) => {
    const { paths, passphrase } = options
    const phase = phaseOf(layout)
    if (phase === 'activated') {
      await refuseEnded(paths, before.cas[1] as SigningCa)
      return swapped(layout)
    }
    if (phase === 'prepared') {
      const made = before.cas[1] as SigningCa
      if (!force) refuseInUse(lockedOut(records, made.serial, Date.now()))
      return withState(layout, made.number, 'withdrawn')
    }
    const retired = layout.cas.find(({ state }) => state === 'retired')
    if (retired === undefined) throw new PulsegateError('CERTS_PHASE_WRONG', 'There is no step to take back: one CA issues, and no other is kept.')
    await refuseEnded(paths, await loadCa(paths, layout, retired, passphrase))
    return withState(layout, retired.number, 'trusted')
  })
}

type Change = (layout: Layout, before: AuthorityState, records: readonly CertificateRecord[]) => Promise<readonly CaEntry[]>

async function step (name: StepReport['step'], options: RotationOptions, change: Change): Promise<StepReport> {
  const { paths, passphrase } = options
  return await withLock(paths.directory, async () => {
    const layout = await readLayout(paths)
    const before = await loadState(paths, passphrase)
    const finishedEarlier = layout.layout === 2 && await isCutOff(paths, before)
    if (!finishedEarlier) {
      await writeLayout(paths, await change(layout, before, await readJournal(paths.journal)))
      await syncDirectory(paths.directory)
    }
    const after = await publish(options)
    await dropLayout1Key(paths)
    await destroyKeys(paths, after.layout)
    const server = await renewServer(options, after, before)
    const trusted = after.cas.map(({ serial }) => serial)
    return { step: name, phase: phaseOf(after.layout), issuing: after.cas[0].serial, trusted, server, finishedEarlier }
  })
}

/** authority.json was written, and what follows from it was not. */
async function isCutOff (paths: AuthorityPaths, state: AuthorityState): Promise<boolean> {
  return await readRequired(paths.ca) !== await bundleOf(paths, state) || await readRequired(paths.issuingCertificate) !== state.cas[0].pem
}

async function bundleOf (paths: AuthorityPaths, { layout, cas }: AuthorityState): Promise<string> {
  return [...cas, ...await loadRoots(paths, layout, cas)].map(({ pem }) => pem).join('')
}

/** Writes lists, bundle and copies as authority.json wants them; what is trusted until now goes last. Doing it again changes nothing. */
async function publish ({ paths, passphrase }: RotationOptions): Promise<AuthorityState> {
  const after = await loadState(paths, passphrase)
  const [issuing] = after.cas
  const gone = after.published.filter(({ number }) => !after.cas.some((ca) => ca.number === number))
  const records = await readJournal(paths.journal)
  const listsOf = async (cas: readonly SigningCa[]): Promise<void> => {
    await writeLists(paths, records, { cas, roots: await rootSigners(paths, after.layout, cas, passphrase, 'when-there') })
  }
  await listsOf([...after.cas, ...gone])
  await writePublic(paths.ca, await bundleOf(paths, after))
  await writePublic(paths.rootCertificate, (await loadRoot(paths, after.layout, issuing.root)).pem)
  await writePublic(paths.issuingCertificate, issuing.pem)
  if (gone.length > 0) await listsOf(after.cas)
  return after
}

/** The broker must not go on with a certificate of a CA that may soon be dropped. */
async function renewServer ({ paths, passphrase }: RotationOptions, { cas: [issuing, ...others] }: AuthorityState, before: AuthorityState): Promise<boolean> {
  const names = await namesOfServer(paths, [...others, ...before.cas].filter(({ serial }) => serial !== issuing.serial))
  if (names === null) return false
  await issueServerFiles(paths, issuing, names, { passphrase: await hasEncryptedServerKey(paths) ? passphrase : undefined })
  return true
}

function expectPhase (layout: Layout, wanted: Phase, step: StepReport['step']): void {
  const phase = phaseOf(layout)
  if (phase === wanted) return
  const why = { steady: 'no next CA is prepared', prepared: 'the next CA is prepared and does not issue yet', activated: 'the new CA issues and the old one is not retired yet' }[phase]
  throw new PulsegateError('CERTS_PHASE_WRONG', `${step} is not what comes next: ${why}.`)
}

/** The two that are trusted change places. */
function swapped (layout: Layout): CaEntry[] {
  const living = livingCas(layout).map(({ number }) => number)
  const issuing = issuingCa(layout).number
  return layout.cas.map((ca) => living.includes(ca.number) ? { ...ca, state: ca.number === issuing ? 'trusted' : 'issuing' } : ca)
}

function withState (layout: Layout, number: number, state: CaState): CaEntry[] {
  return layout.cas.map((ca) => ca.number === number ? { ...ca, state } : ca)
}

async function refuseEnded (paths: AuthorityPaths, { serial, file, certificate }: SigningCa): Promise<void> {
  if (Date.parse(certificate.validTo) <= Date.now()) throw new PulsegateError('CERTS_PHASE_WRONG', `${file} ended ${certificate.validTo}: nothing can be issued from it any more.`)
  const record = (await readJournal(paths.journal)).find((each) => each.serial === serial)
  if (record?.revoked !== undefined) throw new PulsegateError('CERTS_PHASE_WRONG', `${file} is revoked: nothing can be issued from it any more.`)
}

function refuseInUse ({ devices, lastEnd }: LockedOut): void {
  if (devices === 0) return
  throw new PulsegateError('CERTS_CA_IN_USE', `${devices} ${devices === 1 ? 'device has a living certificate' : 'devices have living certificates'} of no other CA, the last until ${lastEnd ?? ''}.`)
}
