// `pulsegate certs passphrase`: puts the authority's keys under a passphrase, under another one, or under none. Passphrases come from files.
import { type Command } from 'commander'
import { changePassphrase } from '../certs/change-passphrase.ts'
import { authorityPaths } from '../certs/files.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { readPassphrase } from '../runtime/passphrase.ts'
import { purposeOf } from './actor.ts'
import { tellKeysChanged } from './certs-audit.ts'
import { authorityOptions, openedAuthority, rightsCommand, rootDirOption, type RootOptions } from './certs-options.ts'
import { type Print } from './text.ts'

interface PassphraseOptions extends RootOptions { readonly newPassphraseFile?: string, readonly remove?: true, readonly server?: true }

export function passphraseCommand (print: Print): Command {
  return rightsCommand('passphrase', 'encrypt the authority\'s keys, change their passphrase, or take it away', [
    'passphrase --new-passphrase-file /run/secrets/certs',
    'passphrase --passphrase-file old --new-passphrase-file new --root-dir /media/stick',
    'passphrase --passphrase-file old --remove'
  ])
    .option('--new-passphrase-file <file>', 'the passphrase from now on, at least 12 characters in the first line')
    .option('--remove', 'no passphrase any more')
    .option('--server', 'the broker\'s key too: every broker then needs --passphrase-file')
    .addOption(rootDirOption('where root.key is, to change it too'))
    .action(async (options: PassphraseOptions, command: Command) => {
      const why = purposeOf(command)
      const { newPassphraseFile, remove, server } = options
      if ((newPassphraseFile === undefined) === (remove === undefined)) throw new PulsegateError('CERTS_INPUT_INVALID', 'Give either --new-passphrase-file or --remove.')
      const to = newPassphraseFile === undefined ? undefined : await readPassphrase(newPassphraseFile)
      const { passphrase: from, rootDirectory } = await authorityOptions(options)
      const paths = authorityPaths(options.dir, rootDirectory)
      const written = await changePassphrase(paths, { from, to, server: server === true })
      // as everybody will from now on: what does not open now would not later
      await openedAuthority({ dir: options.dir, ...(rootDirectory !== undefined && { rootDir: rootDirectory }), ...(newPassphraseFile !== undefined && { passphraseFile: newPassphraseFile }) })
      await tellKeysChanged(paths.directory, to !== undefined, written.length, why)
      print(options, { encrypted: to !== undefined, written },
        `${to === undefined ? 'Without a passphrase' : 'Under the new passphrase'} now: ${written.length === 0 ? 'all were already' : `\n  ${written.join('\n  ')}`}\n`)
    })
}
