// Files and folders that only their owner may touch: takes owner and mode, says what is wrong and what to type. The rule is PostgreSQL's:
// ours and private, or root's and readable by one group at most, as a secret mounted for a service is. What belongs to another
// plain user is refused to root too: that user could replace it.

export interface Owned {
  readonly path: string
  readonly mode: number
  readonly owner: number
  /** Undefined where there are no user ids (Windows): then nothing is wrong. */
  readonly us: number | undefined
}

/** What is wrong with a secret file's owner and mode (0600, or 0640 of root's), with the remedy; null when nothing is. */
export function fileFault (file: Owned): string | null {
  return ownerFault(file) ?? modeFault(file, file.owner === file.us ? 0o600 : 0o640, 0o100)
}

/** The same of a folder that holds secrets: 0700, or 0750 of root's. */
export function folderFault (folder: Owned): string | null {
  return ownerFault(folder) ?? modeFault(folder, folder.owner === folder.us ? 0o700 : 0o750, 0)
}

/** Of a folder above secrets that are private themselves: others may look, but not replace what is in it. */
export function writableFault ({ path, mode, owner, us }: Owned): string | null {
  const sticky = (mode & 0o1000) !== 0 // as /tmp: others may add, not replace
  if (us === undefined || (mode & 0o022) === 0 || sticky) return ownerFault({ path, mode, owner, us })
  return `${path} has mode ${octal(mode)}, so others can replace what is in it. Run: chmod go-w '${path}'`
}

function ownerFault ({ path, owner, us }: Owned): string | null {
  if (us === undefined || owner === us || owner === 0) return null
  return `${path} belongs to user ${owner}, who can replace it; we run as user ${us}. Run: chown ${us} '${path}'`
}

function modeFault ({ path, mode, us }: Owned, allowed: number, harmless: number): string | null {
  if (us === undefined || (mode & 0o777 & ~(allowed | harmless)) === 0) return null
  return `${path} has mode ${octal(mode)}, so others can read or write it. Run: chmod ${octal(allowed)} '${path}'`
}

function octal (mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0')
}
