// `pulsegate certs ca …`: changing the issuing CA in phases, each of which can be taken back. Thin over certs/rotation.ts.
import { stdin, stderr } from 'node:process'
import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import { issuingFiles, readLayout } from '../certs/layout.ts'
import { activate, prepare, retire, rollback, type RotationOptions, type StepReport } from '../certs/rotation.ts'
import { lockedOut, rotationStatus, type RotationStatus } from '../certs/rotation-status.ts'
import { describeCertificates } from '../certs/describe.ts'
import { readRequired } from '../certs/files.ts'
import { type Authority } from '../certs/authority.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { purposeOf } from './actor.ts'
import { tellStep, type Why } from './certs-audit.ts'
import { authorityOptions, openedAuthority, rightsCommand, rootDirOption, subcommand, type RootOptions } from './certs-options.ts'
import { caStatusText, stepText } from './certs-ca-text.ts'
import { type Print } from './text.ts'

interface ForceOptions extends RootOptions { readonly force?: true, readonly yes?: true }

export function caCommand (print: Print): Command {
  const ca = new Command('ca').description('change the issuing CA in phases while devices live on')
  for (const make of [status, prepareCommand, activateCommand, retireCommand, rollbackCommand]) ca.addCommand(make(print))
  return ca.addHelpText('after', `
prepare: make the next CA, trust both · activate: issue from it · retire: drop the old one when its last device has renewed
rollback takes the last step back. --dir and --json as with every certs command.

Examples:
  pulsegate certs ca status
  pulsegate certs ca prepare --root-dir /media/stick`)
}

function status (print: Print): Command {
  return subcommand('ca status', 'where the change stands: each CA\'s share of the living certificates, and what comes next', ['ca status', 'ca status --json'])
    .action(async (options: RootOptions) => {
      const found = await statusOf(await openedAuthority(options))
      print(options, found, caStatusText(found))
    })
}

function prepareCommand (print: Print): Command {
  return rightsCommand('ca prepare', 'make the next issuing CA and trust it; needs the root key', ['ca prepare --root-dir /media/stick', 'ca prepare --new-root --root-dir /media/stick'])
    .addOption(rootDirOption('where root.key is'))
    .option('--new-root', 'make a new root too, signed by the old one as well, so that nobody loses the way')
    .action(async (options: RootOptions & { newRoot?: true }, command: Command) => {
      await take(print, options, purposeOf(command), (rotation) => prepare(rotation, { newRoot: options.newRoot === true }))
    })
}

function activateCommand (print: Print): Command {
  return rightsCommand('ca activate', 'issue from the next CA from now on, the broker\'s certificate first', ['ca activate'])
    .addOption(rootDirOption('where root.key is'))
    .action(async (options: RootOptions, command: Command) => { await take(print, options, purposeOf(command), activate) })
}

function retireCommand (print: Print): Command {
  return withForce(rightsCommand('ca retire', 'trust the old CA no more', ['ca retire', 'ca retire --force --yes']))
    .action(async (options: ForceOptions, command: Command) => {
      const why = purposeOf(command)
      const forced = await confirmed(options, ({ phase, cas }) => phase === 'activated' ? cas.find(({ state }) => state === 'trusted')?.serial : undefined)
      await take(print, options, why, (rotation) => retire(rotation, { force: forced }), forced)
    })
}

function rollbackCommand (print: Print): Command {
  return withForce(rightsCommand('ca rollback', 'take the last step back', ['ca rollback']))
    .action(async (options: ForceOptions, command: Command) => {
      const why = purposeOf(command)
      const forced = await confirmed(options, ({ phase, cas }) => phase === 'prepared' ? cas.find(({ state }) => state === 'trusted')?.serial : undefined)
      await take(print, options, why, (rotation) => rollback(rotation, { force: forced }), forced)
    })
}

function withForce (command: Command): Command {
  return command
    .addOption(rootDirOption('where root.key is'))
    .option('--force', 'also when that locks devices out; says how many, and asks')
    .option('--yes', 'with --force: do not ask')
}

async function take (print: Print, options: RootOptions, why: Why, step: (rotation: RotationOptions) => Promise<StepReport>, forced = false): Promise<void> {
  const authority = await openedAuthority(options)
  const { passphrase } = await authorityOptions(options)
  const report = await step({ paths: authority.paths, ...(passphrase !== undefined && { passphrase }) })
  await tellStep(authority.paths.directory, report, forced, why)
  const now = await statusOf(authority)
  print(options, { ...report, status: now }, stepText(report) + caStatusText(now))
}

async function statusOf (authority: Authority): Promise<RotationStatus> {
  const { paths } = authority
  const layout = await readLayout(paths)
  const cas = await Promise.all(layout.cas.filter(({ state }) => state !== 'withdrawn').map(async ({ number }) => {
    const { certificate } = issuingFiles(paths, layout, number)
    return { number, serial: describeCertificates(certificate, await readRequired(certificate))[0]?.serial ?? '' }
  }))
  return rotationStatus(layout, cas, await authority.list(), Date.now())
}

/** Whether to go through with it. Throws CERTS_INPUT_INVALID when nobody can be asked, CERTS_CA_IN_USE when the answer is no. */
async function confirmed (options: ForceOptions, serialOf: (status: RotationStatus) => string | undefined): Promise<boolean> {
  if (options.force !== true) return false
  const authority = await openedAuthority(options)
  const serial = serialOf(await statusOf(authority))
  const { devices, lastEnd } = serial === undefined ? { devices: 0, lastEnd: null } : lockedOut(await authority.list(), serial, Date.now())
  if (devices === 0 || options.yes === true) return true
  const what = `This locks out ${devices} ${devices === 1 ? 'device' : 'devices'} whose certificates are good until ${lastEnd ?? ''}.`
  if (!stdin.isTTY) throw new PulsegateError('CERTS_CA_IN_USE', `${what} Give --yes too if that is meant.`)
  const asking = createInterface({ input: stdin, output: stderr })
  const answer = await asking.question(`${what} Type yes to go on: `).finally(() => { asking.close() })
  if (answer.trim() === 'yes') return true
  throw new PulsegateError('CERTS_CA_IN_USE', 'Nothing was changed.')
}
