// What the `pulsegate certs` commands have in common: where the authority is, how its keys are opened, how answers are printed.
import { Command, InvalidArgumentError, Option } from 'commander'
import { openAuthority, type Authority, type AuthorityOptions } from '../certs/authority.ts'
import { lifeDays } from '../certs/profile.ts'
import { readPassphrase } from '../runtime/passphrase.ts'
import { addPurposeOption } from './actor.ts'

export interface CommonOptions { readonly dir: string, readonly json?: true, readonly passphraseFile?: string }
export interface DaysOptions extends CommonOptions { readonly days?: number }
export interface RootOptions extends CommonOptions { readonly rootDir?: string }

export function subcommand (name: string, description: string, examples: readonly string[]): Command {
  const path = name.split(' ')
  return new Command(path.at(-1) as string).description(description)
    .addOption(new Option('--dir <directory>', 'where the authority is kept').default('.pulsegate/certs').env('PULSEGATE_CERTS'))
    .addOption(new Option('--passphrase-file <file>', 'holds the passphrase of encrypted keys in its first line').env('PULSEGATE_CERTS_PASSPHRASE_FILE'))
    .option('--json', 'print one JSON document')
    .addHelpText('after', `\nExamples:\n${examples.map((line) => `  pulsegate certs ${line}`).join('\n')}`)
}

/** The same for what changes rights: with --purpose. */
export function rightsCommand (name: string, description: string, examples: readonly string[]): Command {
  return addPurposeOption(subcommand(name, description, examples))
}

export function rootDirOption (what: string): Option {
  return new Option('--root-dir <directory>', what)
}

export function daysOption (days: number): Option {
  return new Option('--days <days>', `life of the certificate, at most ${lifeDays.maximum} (default: ${days})`).argParser((text) => {
    const value = Number(text)
    if (value > 0 && value <= lifeDays.maximum) return value
    throw new InvalidArgumentError(`It must be more than 0 and at most ${lifeDays.maximum}.`)
  })
}

export function daysOf ({ days }: DaysOptions): { days?: number } {
  return days === undefined ? {} : { days }
}

/** What the authority is opened or made with. Rejects with CERTS_PASSPHRASE_UNUSABLE or CERTS_KEY_EXPOSED. */
export async function authorityOptions ({ passphraseFile, rootDir }: RootOptions): Promise<AuthorityOptions> {
  return {
    ...(rootDir !== undefined && { rootDirectory: rootDir }),
    ...(passphraseFile !== undefined && { passphrase: await readPassphrase(passphraseFile) })
  }
}

export async function openedAuthority (options: RootOptions): Promise<Authority> {
  return await openAuthority(options.dir, await authorityOptions(options))
}
