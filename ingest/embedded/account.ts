// As whom the server runs, and what that account can reach. PostgreSQL refuses to run as root, so root starts it as
// `nobody`; anybody else runs it as themselves. Reachability is tried, not computed: access lists and mounts count too.
import { spawnSync, type SpawnOptions } from 'node:child_process'
import { PulsegateError } from '../../runtime/errors.ts'

/** Ids for spawn and chown; null: the account of this process. */
export type Account = { readonly uid: number, readonly gid: number } | null

/** The account the server will run as. */
export function serverAccount (): Account {
  if (process.getuid?.() !== 0) return null
  const id = (flag: string) => {
    const { stdout, status } = spawnSync('id', [flag, 'nobody'], { encoding: 'utf8' })
    return status === 0 && /^\d+\s*$/.test(stdout) ? Number(stdout) : null
  }
  const uid = id('-u')
  const gid = id('-g')
  if (uid === null || gid === null) throw new PulsegateError('EMBEDDED_START_FAILED', 'running as root, and there is no user `nobody` to run PostgreSQL as')
  return { uid, gid }
}

/** The part of spawn options that makes a child run as `account`. */
export function runAs (account: Account): Pick<SpawnOptions, 'uid' | 'gid'> {
  return account ? { uid: account.uid, gid: account.gid } : {}
}

/** Can `account` run the program at `path`? */
export function canRun (account: Account, path: string): boolean {
  return probe(account, '[ -x "$0" ] && [ -r "$0" ]', path)
}

/** Can `account` enter the folder at `path`? */
export function canEnter (account: Account, path: string): boolean {
  return probe(account, 'cd "$0"', path)
}

function probe (account: Account, test: string, path: string): boolean {
  return spawnSync('/bin/sh', ['-c', test, path], { ...runAs(account), cwd: '/', stdio: 'ignore', timeout: 10_000 }).status === 0
}
