// `pulsegate certs revoke`: takes certificates back, by device, serial number, or many from a file.
import { readFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import { isMissing } from '../certs/files.ts'
import { type CertificateRecord, revocationReasons, type RevocationReason } from '../certs/journal.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { purposeOf } from './actor.ts'
import { tellRevoked } from './certs-audit.ts'
import { openedAuthority, rightsCommand, rootDirOption, type RootOptions } from './certs-options.ts'
import { listReportText, recordsText, withState } from './certs-text.ts'
import { type Print } from './text.ts'

interface RevokeOptions extends RootOptions { readonly reason: RevocationReason, readonly file?: string }

/** A screen's worth; --json has all. */
const maxShown = 50

export function revokeCommand (print: Print): Command {
  return rightsCommand('revoke', 'revoke every living certificate of a device, or one by its serial number, and write the lists', [
    'revoke 6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5 --reason keyCompromise', 'revoke --file stolen.txt --reason keyCompromise'
  ])
    .argument('[what...]', 'device ids, server names or serial numbers')
    .option('--file <file>', 'revoke what stands in this file too, one a line; - for standard input')
    .addOption(new Option('--reason <reason>', 'why, in the words of RFC 5280').choices(revocationReasons).default('unspecified'))
    .addOption(rootDirOption('where root.key is; needed to revoke the issuing CA'))
    .action(async (what: string[], options: RevokeOptions, command: Command) => {
      const why = purposeOf(command)
      const targets = [...new Set([...what, ...await targetsIn(options.file)])]
      if (targets.length === 0) throw new PulsegateError('CERTS_INPUT_INVALID', 'Nothing to revoke: name a device id, a serial number, or a --file with some.')
      const authority = await openedAuthority(options)
      const { revoked, alreadyRevoked, unknown, lists } = await authority.revokeAll(targets, options.reason)
      await tellRevoked(authority.paths.directory, revoked, options.reason, why)
      if (unknown.length < targets.length) {
        const all = [...revoked, ...alreadyRevoked]
        const more = all.length > maxShown ? `… and ${all.length - maxShown} more\n` : ''
        print(options, { revoked: revoked.map(withState), alreadyRevoked: alreadyRevoked.map(withState), unknown, lists },
          `Revoked ${revoked.length}, revoked before ${alreadyRevoked.length}.\n${endedText(revoked, alreadyRevoked)}` +
          recordsText(all.slice(0, maxShown), Date.now()) + more + listReportText(lists, Date.now()))
      }
      if (unknown.length > 0) throw new PulsegateError('CERTS_UNKNOWN', `This authority has issued nothing for ${unknown.slice(0, 5).map((each) => `"${each}"`).join(', ')}${unknown.length > 5 ? ` and ${unknown.length - 5} more` : ''}.`)
    })
}

/** What there is to say of certificates that need no revocation any more. */
function endedText (revoked: readonly CertificateRecord[], alreadyRevoked: readonly CertificateRecord[]): string {
  if (revoked.length + alreadyRevoked.length === 0) return 'Nothing to revoke: what was issued has ended.\n'
  const ended = revoked.filter(({ notAfter, revoked }) => Date.parse(notAfter) <= Date.parse(revoked?.at ?? '')).length
  return ended === 0 ? '' : `Of ${ended} the certificate had ended: from now on the device's birth certificate gets it no new one, only a token does.\n`
}

/** One a line; empty lines and what follows a # do not count. */
async function targetsIn (file: string | undefined): Promise<string[]> {
  if (file === undefined) return []
  const text = file === '-'
    ? await textOf(process.stdin)
    : await readFile(file, 'utf8').catch((error: unknown) => {
      throw new PulsegateError('CERTS_INPUT_INVALID', `${file} ${isMissing(error) ? 'does not exist' : 'cannot be read'}.`, { cause: error })
    })
  return text.split('\n').map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== '')
}
