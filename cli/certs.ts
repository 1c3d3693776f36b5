// `pulsegate certs …`: the certificate authority on the command line. Thin: options in, the authority's answers out, as text
// for people or with --json as one document for programs. No command prints a private key; paths are printed instead. What
// was done is told to the audit trail before it is said to be done.
import { readFile, writeFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'
import { Command } from 'commander'
import { initAuthority } from '../certs/authority.ts'
import { describeCertificates } from '../certs/describe.ts'
import { isMissing } from '../certs/files.ts'
import { isDeviceId, lifeDays } from '../certs/profile.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { purposeOf } from './actor.ts'
import { tellIssued, tellLists, tellMade } from './certs-audit.ts'
import { caCommand } from './certs-ca.ts'
import { estCommand } from './certs-est.ts'
import { operatorCommand } from './certs-operator.ts'
import { authorityOptions, daysOf, daysOption, openedAuthority, rightsCommand, rootDirOption, subcommand, type CommonOptions, type DaysOptions, type RootOptions } from './certs-options.ts'
import { passphraseCommand } from './certs-passphrase.ts'
import { revokeCommand } from './certs-revoke.ts'
import { tokenCommand, tokensCommand } from './certs-token.ts'
import { descriptionText, listReportText, recordsText, stateOf, untilText, withState } from './certs-text.ts'
import { type Print, printer } from './text.ts'

/** `write` is where the output goes: standard output, unless a test listens. */
export function certsCommand (write: (text: string) => void = (text) => { process.stdout.write(text) }): Command {
  const print = printer(write)
  const certs = new Command('certs').description('issue, sign and revoke the certificates of devices and of the broker')
  const makes = [init, issue, sign, list, show, revokeCommand, crl, server, caCommand, passphraseCommand, operatorCommand, tokenCommand, tokensCommand, estCommand]
  for (const make of makes) certs.addCommand(make(print))
  return certs.addHelpText('after', `
The root key signs once and can then be taken away: make the authority with --root-dir on a medium you unplug.
Devices get their certificates over HTTPS: \`pulsegate certs est\`, with a token of \`pulsegate certs token\`.
More in docs/certificates.md and docs/enrolment.md.`)
}

function init (print: Print): Command {
  return subcommand('init', 'make a new authority: root, issuing CA, revocation lists', ['init', 'init --dir /etc/pulsegate/certs --root-dir /media/stick'])
    .addOption(rootDirOption('keep root.key here instead, on a medium that you take away'))
    .action(async (options: RootOptions) => {
      const { paths } = await initAuthority(options.dir, await authorityOptions(options))
      await tellMade(paths.directory)
      print(options, { directory: paths.directory, ca: paths.ca, rootKey: paths.rootKey },
        `Made a certificate authority in ${paths.directory}\n` +
        `  broker and devices trust   ${paths.ca}\n` +
        `  keep this one offline      ${paths.rootKey}\n` +
        'Next: pulsegate certs server <names of the broker>, then pulsegate certs issue <device id>\n')
    })
}

function issue (print: Print): Command {
  return rightsCommand('issue', 'make a key and a certificate for a device, in devices/', ['issue 6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5 --days 30'])
    .argument('<uuid...>', 'device ids')
    .addOption(daysOption(lifeDays.device))
    .action(async (ids: string[], options: DaysOptions, command: Command) => {
      const why = purposeOf(command)
      const authority = await openedAuthority(options)
      const devices = await authority.issueDevices(ids, daysOf(options))
      await tellIssued(authority.paths.directory, devices.map(({ id: name, ...device }) => ({ ...device, name })), 'device', 'issue', why)
      print(options,
        devices.map(({ id, serial, notAfterMs, keyFile, certFile }) => ({ id, serial, notAfter: iso(notAfterMs), keyFile, certFile })),
        devices.map(({ id, notAfterMs, keyFile, certFile }) => `${id} until ${untilText(notAfterMs)}\n  ${keyFile}\n  ${certFile}\n`).join(''))
    })
}

function sign (print: Print): Command {
  return rightsCommand('sign', 'sign a device\'s own key: nothing else in the request counts', [
    'sign device.csr --id 6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5 > device.crt', 'sign - --id 6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5 --out device.crt < device.csr'
  ])
    .argument('<csr>', 'PKCS #10 request in PEM, or - for standard input')
    .requiredOption('--id <uuid>', 'the device that this is; what the request says about it is ignored')
    .option('--out <file>', 'write the chain here instead of to standard output')
    .addOption(daysOption(lifeDays.device))
    .action(async (csr: string, options: DaysOptions & { id: string, out?: string }, command: Command) => {
      const why = purposeOf(command)
      const request = csr === '-' ? await textOf(process.stdin) : await readInput(csr)
      const authority = await openedAuthority(options)
      const { serial, chainPem, notAfterMs } = await authority.signRequest(request, { id: options.id, ...daysOf(options) })
      await tellIssued(authority.paths.directory, [{ serial, name: options.id.toLowerCase(), notAfterMs }], 'device', 'sign', why)
      if (options.out !== undefined) await writeFile(options.out, chainPem)
      print(options, { id: options.id.toLowerCase(), serial, notAfter: iso(notAfterMs), chain: chainPem },
        options.out === undefined ? chainPem : `${options.out} until ${untilText(notAfterMs)}\n`)
    })
}

function list (print: Print): Command {
  return subcommand('list', 'list what was issued and still matters', ['list', 'list --all --json'])
    .option('--all', 'expired ones too')
    .action(async (options: CommonOptions & { all?: boolean }) => {
      const records = await (await openedAuthority(options)).list()
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
      const records = await (await openedAuthority(options)).show(what)
      print(options, records.map(withState), recordsText(records, Date.now()))
    })
}

function crl (print: Print): Command {
  return subcommand('crl', 'write fresh revocation lists', ['crl', 'crl --root-dir /media/stick'])
    .addOption(rootDirOption('where root.key is: renew the root\'s own list too, or fail'))
    .action(async (options: RootOptions) => {
      const authority = await openedAuthority(options)
      const lists = await authority.writeCrls({ root: options.rootDir === undefined ? 'when-there' : 'required' })
      await tellLists(authority.paths.directory, lists)
      print(options, lists, listReportText(lists, Date.now()))
    })
}

function server (print: Print): Command {
  return subcommand('server', 'make the broker\'s key and certificate, in server/', ['server localhost 127.0.0.1 ::1', 'server gate.hospital.example --days 30'])
    .argument('<names...>', 'DNS names and IP addresses that devices connect to')
    .addOption(daysOption(lifeDays.server))
    .option('--encrypt', 'put the key under the passphrase; brokers then need --passphrase-file too')
    .action(async (names: string[], options: DaysOptions & { encrypt?: true }) => {
      const authority = await openedAuthority(options)
      const { serial, notAfterMs, keyFile, certFile } = await authority.issueServer(names, { ...daysOf(options), ...(options.encrypt && { encrypt: true }) })
      await tellIssued(authority.paths.directory, [{ serial, name: names.join(' '), notAfterMs }], 'server', 'server')
      print(options, { names, serial, notAfter: iso(notAfterMs), keyFile, certFile },
        `${names.join(' ')} until ${untilText(notAfterMs)}\n  ${keyFile}\n  ${certFile}\n`)
    })
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
