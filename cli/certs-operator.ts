// `pulsegate certs operator`: a certificate for somebody who administers a running Pulsegate (docs/administration.md). Revoking one and
// listing them is what the other commands do with --dir <authority>/operators.
import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { issueOperator, operatorLifeDays, operatorsDirectory } from '../certs/operators.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { operatorRoles, type OperatorRole } from '../runtime/operator-roles.ts'
import { readPassphrase } from '../runtime/passphrase.ts'
import { purposeOf } from './actor.ts'
import { tellIssued } from './certs-audit.ts'
import { authorityOptions, daysOf, daysOption, rightsCommand, type DaysOptions } from './certs-options.ts'
import { untilText } from './certs-text.ts'
import { type Print } from './text.ts'

interface Options extends DaysOptions { readonly role: OperatorRole, readonly csr?: string, readonly keyPassphraseFile?: string }

export function operatorCommand (print: Print): Command {
  return rightsCommand('operator', 'issue a certificate to somebody who administers: look, change, or audit', [
    'operator alice --role operator', 'operator carol --role auditor --csr carol.csr', 'revoke alice --dir .pulsegate/certs/operators'
  ])
    .argument('<name>', 'lower-case letters, digits, dots, dashes, underscores')
    .addOption(new Option('--role <role>', 'what the certificate allows').choices(operatorRoles).makeOptionMandatory())
    .option('--csr <file>', 'sign the operator\'s own key; without it one is made here')
    .option('--key-passphrase-file <file>', 'encrypt the key that is made here with the first line of this file: the operator\'s own passphrase')
    .addOption(daysOption(operatorLifeDays))
    .action(async (name: string, { role, csr, keyPassphraseFile, ...options }: Options, command: Command) => {
      const why = purposeOf(command)
      if (csr !== undefined && keyPassphraseFile !== undefined) throw new PulsegateError('CERTS_INPUT_INVALID', 'With --csr no key is made here, so there is none to encrypt: leave out --key-passphrase-file.')
      const { serial, notAfterMs, keyFile, certFile } = await issueOperator(options.dir, {
        name,
        role,
        ...(csr !== undefined && { requestPem: await requestOf(csr) }),
        ...(keyPassphraseFile !== undefined && { keyPassphrase: await readPassphrase(keyPassphraseFile) }),
        ...daysOf(options)
      }, await authorityOptions(options))
      await tellIssued(operatorsDirectory(options.dir), [{ serial, name, notAfterMs }], role, 'operator', why)
      print(options, { name, role, serial, notAfter: new Date(notAfterMs).toISOString(), keyFile, certFile },
        `${name}, ${role}, until ${untilText(notAfterMs)}\n${keyFile === null ? '' : `  ${keyFile}\n`}  ${certFile}\n`)
    })
}

async function requestOf (csr: string): Promise<string> {
  return readFile(csr, 'utf8').catch((cause: unknown) => { throw new PulsegateError('CERTS_INPUT_INVALID', `${csr} cannot be read.`, { cause }) })
}
