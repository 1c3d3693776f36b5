// `pulsegate certs …`: the certificate authority on the command line. Thin: options in, the authority's answers out, as text
// for people or with --json as one document for programs. No command prints a private key; paths are printed instead.
import { readFile, writeFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'
import { Command, InvalidArgumentError, Option } from 'commander'
import { initAuthority, openAuthority } from '../certs/authority.ts'
import { describeCertificates } from '../certs/describe.ts'
import { isMissing } from '../certs/files.ts'
import { revocationReasons, type RevocationReason } from '../certs/journal.ts'
import { isDeviceId, lifeDays } from '../certs/profile.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { operatorCommand } from './certs-operator.ts'
import { estCommand } from './certs-est.ts'
import { tokenCommand, tokensCommand } from './certs-token.ts'
import { descriptionText, listReportText, recordsText, stateOf, untilText } from './certs-text.ts'
import { type Print, printer } from './text.ts'

interface CommonOptions { readonly dir: string, readonly json?: true }
interface DaysOptions extends CommonOptions { readonly days?: number }
interface RootOptions extends CommonOptions { readonly rootDir?: string }

/** `write` is where the output goes: standard output, unless a test listens. */
export function certsCommand (write: (text: string) => void = (text) => { process.stdout.write(text) }): Command {
  const print = printer(write)
  const certs = new Command('certs').description('issue, sign and revoke the certificates of devices and of the broker')
  for (const make of [init, issue, sign, list, show, revoke, crl, server, operatorCommand, tokenCommand, tokensCommand, estCommand]) certs.addCommand(make(print))
  return certs.addHelpText('after', `
The root key signs once and can then be taken away: make the authority with --root-dir on a medium you unplug.
Devices get their certificates over HTTPS: \`pulsegate certs est\`, with a token of \`pulsegate certs token\`.
More in docs/certificates.md and docs/enrolment.md.`)
}

function init (print: Print): Command {
  return subcommand('init', 'make a new authority: root, issuing CA, revocation lists', ['init', 'init --dir /etc/pulsegate/certs --root-dir /media/stick'])
    .option('--root-dir <directory>', 'keep root.key here instead, on a medium that you take away')
    .action(async (options: RootOptions) => {
      const { paths } = await initAuthority(options.dir, rootOptions(options))
      print(options, { directory: paths.directory, ca: paths.ca, rootKey: paths.rootKey },
        `Made a certificate authority in ${paths.directory}\n` +
        `  broker and devices trust   ${paths.ca}\n` +
        `  keep this one offline      ${paths.rootKey}\n` +
        'Next: pulsegate certs server <names of the broker>, then pulsegate certs issue <device id>\n')
    })
}

function issue (print: Print): Command {
  return subcommand('issue', 'make a key and a certificate for a device, in devices/', ['issue 6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5 --days 30'])
    .argument('<uuid...>', 'device ids')
    .addOption(daysOption(lifeDays.device))
    .action(async (ids: string[], options: DaysOptions) => {
      const devices = await (await openAuthority(options.dir)).issueDevices(ids, daysOf(options))
      print(options,
        devices.map(({ id, serial, notAfterMs, keyFile, certFile }) => ({ id, serial, notAfter: iso(notAfterMs), keyFile, certFile })),
        devices.map(({ id, notAfterMs, keyFile, certFile }) => `${id} until ${untilText(notAfterMs)}\n  ${keyFile}\n  ${certFile}\n`).join(''))
    })
}

function sign (print: Print): Command {
  return subcommand('sign', 'sign a device\'s own key: nothing else in the request counts', [
    'sign device.csr --id 6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5 > device.crt', 'sign - --id 6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5 --out device.crt < device.csr'
  ])
    .argument('<csr>', 'PKCS #10 request in PEM, or - for standard input')
    .requiredOption('--id <uuid>', 'the device that this is; what the request says about it is ignored')
    .option('--out <file>', 'write the chain here instead of to standard output')
    .addOption(daysOption(lifeDays.device))
    .action(async (csr: string, options: DaysOptions & { id: string, out?: string }) => {
      const request = csr === '-' ? await textOf(process.stdin) : await readInput(csr)
      const { serial, chainPem, notAfterMs } = await (await openAuthority(options.dir)).signRequest(request, { id: options.id, ...daysOf(options) })
      if (options.out !== undefined) await writeFile(options.out, chainPem)
      print(options, { id: options.id.toLowerCase(), serial, notAfter: iso(notAfterMs), chain: chainPem },
        options.out === undefined ? chainPem : `${options.out} until ${untilText(notAfterMs)}\n`)
    })
}

function list (print: Print): Command {
  return subcommand('list', 'list what was issued and still matters', ['list', 'list --all --json'])
    .option('--all', 'expired ones too')
    .action(async (options: CommonOptions & { all?: boolean }) => {
      const records = await (await openAuthority(options.dir)).list()
      const shown = records.filter((record) => options.all === true || stateOf(record, Date.now()) !== 'expired')
      print(options, shown.map(withState), recordsText(shown, Date.now()))
    })
}

function show (print: Print): Command {
  return subcommand('show', 'show what is known of a device, a serial number or a certificate file', ['show 6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5', 'show device.crt'])
    .argument('<what>', 'device id, serial number, server name or PEM file')
    .action(async (what: string, options: CommonOptions) => {
      const pem = isDeviceId(what.toLowerCase()) ? null : await readFile(what, 'utf8').catch(() => null)
      if (pem !== null) {
        const certificates = describeCertificates(what, pem)
        print(options, certificates, descriptionText(certificates))
        return
      }
      const records = await (await openAuthority(options.dir)).show(what)
      print(options, records.map(withState), recordsText(records, Date.now()))
    })
}

function revoke (print: Print): Command {
  return subcommand('revoke', 'revoke every living certificate of a device, or one by its serial number, and write the lists', ['revoke 6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5 --reason keyCompromise'])
    .argument('<what>', 'device id, server name or serial number')
    .addOption(new Option('--reason <reason>', 'why, in the words of RFC 5280').choices(revocationReasons).default('unspecified'))
    .option('--root-dir <directory>', 'where root.key is; needed to revoke the issuing CA')
    .action(async (what: string, options: RootOptions & { reason: RevocationReason }) => {
      const authority = await openAuthority(options.dir, rootOptions(options))
      const { revoked, alreadyRevoked, lists } = await authority.revoke(what, options.reason)
      print(options, { revoked: revoked.map(withState), alreadyRevoked: alreadyRevoked.map(withState), lists },
        `Revoked ${revoked.length}, revoked before ${alreadyRevoked.length}.\n` +
        recordsText([...revoked, ...alreadyRevoked], Date.now()) + listReportText(lists, Date.now()))
    })
}

function crl (print: Print): Command {
  return subcommand('crl', 'write fresh revocation lists', ['crl', 'crl --root-dir /media/stick'])
    .option('--root-dir <directory>', 'where root.key is: renew the root\'s own list too, or fail')
    .action(async (options: RootOptions) => {
      const authority = await openAuthority(options.dir, rootOptions(options))
      const lists = await authority.writeCrls({ root: options.rootDir === undefined ? 'when-there' : 'required' })
      print(options, lists, listReportText(lists, Date.now()))
    })
}

function server (print: Print): Command {
  return subcommand('server', 'make the broker\'s key and certificate, in server/', ['server localhost 127.0.0.1 ::1', 'server gate.hospital.example --days 30'])
    .argument('<names...>', 'DNS names and IP addresses that devices connect to')
    .addOption(daysOption(lifeDays.server))
    .action(async (names: string[], options: DaysOptions) => {
      const { serial, notAfterMs, keyFile, certFile } = await (await openAuthority(options.dir)).issueServer(names, daysOf(options))
      print(options, { names, serial, notAfter: iso(notAfterMs), keyFile, certFile },
        `${names.join(' ')} until ${untilText(notAfterMs)}\n  ${keyFile}\n  ${certFile}\n`)
    })
}

function subcommand (name: string, description: string, examples: readonly string[]): Command {
  return new Command(name).description(description)
    .addOption(new Option('--dir <directory>', 'where the authority is kept').default('.pulsegate/certs').env('PULSEGATE_CERTS'))
    .option('--json', 'print one JSON document')
    .addHelpText('after', `\nExamples:\n${examples.map((line) => `  pulsegate certs ${line}`).join('\n')}`)
}

function daysOption (days: number): Option {
  return new Option('--days <days>', `life of the certificate, at most ${lifeDays.maximum} (default: ${days})`).argParser((text) => {
    const value = Number(text)
    if (value > 0 && value <= lifeDays.maximum) return value
    throw new InvalidArgumentError(`It must be more than 0 and at most ${lifeDays.maximum}.`)
  })
}

function daysOf ({ days }: DaysOptions): { days?: number } {
  return days === undefined ? {} : { days }
}

function rootOptions ({ rootDir }: RootOptions): { rootDirectory?: string } {
  return rootDir === undefined ? {} : { rootDirectory: rootDir }
}

function withState (record: Parameters<typeof stateOf>[0]): object {
  return { ...record, state: stateOf(record, Date.now()) }
}

async function readInput (path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const reason = isMissing(error) ? 'does not exist' : 'cannot be read'
    throw new PulsegateError('CERTS_INPUT_INVALID', `${path} ${reason}.`, { cause: error })
  }
}

function iso (ms: number): string {
  return new Date(ms).toISOString()
}
