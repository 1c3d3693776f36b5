// `pulsegate certs operator`: a certificate for somebody who administers a running Pulsegate (docs/administration.md). Revoking one and
// listing them is what the other commands do with --dir <authority>/operators.
import { readFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { issueOperator, operatorLifeDays } from '../certs/operators.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { operatorRoles, type OperatorRole } from '../runtime/operator-roles.ts'
import { above0 } from './arguments.ts'
import { untilText } from './certs-text.ts'
import { type Print } from './text.ts'

interface Options { readonly dir: string, readonly json?: true, readonly role: OperatorRole, readonly csr?: string, readonly days?: number }

export function operatorCommand (print: Print): Command {
  return new Command('operator').description('issue a certificate to somebody who administers: look, change, or audit')
    .argument('<name>', 'lower-case letters, digits, dots, dashes, underscores')
    .addOption(new Option('--role <role>', 'what the certificate allows').choices(operatorRoles).makeOptionMandatory())
    .option('--csr <file>', 'sign the operator\'s own key; without it one is made here')
    .option('--days <days>', `life of the certificate (default: ${operatorLifeDays})`, above0)
    .addOption(new Option('--dir <directory>', 'where the authority is kept').default('.pulsegate/certs').env('PULSEGATE_CERTS'))
    .option('--json', 'print one JSON document')
    .addHelpText('after', `
Examples:
  pulsegate certs operator alice --role operator
  pulsegate certs operator carol --role auditor --csr carol.csr
  pulsegate certs revoke alice --dir .pulsegate/certs/operators`)
    .action(async (name: string, { dir, role, csr, days, ...options }: Options) => {
      const requestPem = await requestOf(csr)
      const { serial, notAfterMs, keyFile, certFile } = await issueOperator(dir, { name, role, ...(requestPem !== undefined && { requestPem }), ...(days !== undefined && { days }) })
      print(options, { name, role, serial, notAfter: new Date(notAfterMs).toISOString(), keyFile, certFile },
        `${name}, ${role}, until ${untilText(notAfterMs)}\n${keyFile === null ? '' : `  ${keyFile}\n`}  ${certFile}\n`)
    })
}

async function requestOf (csr: string | undefined): Promise<string | undefined> {
  if (csr === undefined) return undefined
  return readFile(csr, 'utf8').catch((cause: unknown) => { throw new PulsegateError('CERTS_INPUT_INVALID', `${csr} cannot be read.`, { cause }) })
}
