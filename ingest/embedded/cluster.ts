// The cluster on disk: made once by initdb with a random password, then only checked. Checksums are on, authentication is
// scram, text is UTF-8 and sorted by code point (the C locale), so the same data sorts the same everywhere.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { PulsegateError } from '../../runtime/errors.ts'
import { type Logger } from '../../runtime/observability.ts'
import { runAs, type Account } from './account.ts'
import { lastLines } from './server-log.ts'
import { type Place } from './place.ts'

/** The only role made here, and the database that holds everything. */
export const databaseUser = 'pulsegate'
export const databaseName = 'pulsegate'

/** Environment of every PostgreSQL program: nothing of ours, so no PGDATA or PGPORT of the caller leads it astray. */
export const programEnvironment = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/** Makes the cluster when there is none, else checks that these programs can run it. Returns the password. */
export async function prepareCluster (place: Place, account: Account, log: Logger): Promise<string> {
  const made = await clusterMajor(place)
  const passwordFile = join(place.directory, 'password')
  if (made === null) {
    const password = randomBytes(24).toString('base64url')
    await writeFile(passwordFile, password + '\n', { mode: 0o600 })
    await chmod(passwordFile, 0o600)
    log.info({ data: place.data }, 'making the database')
    await initialise(place, account, password)
    return password
  }
  const ours = await programMajor(place)
  if (made !== ours) {
    throw new PulsegateError('EMBEDDED_VERSION', `the database in ${place.data} was made by PostgreSQL ${made}, but this is PostgreSQL ${ours}`)
  }
  return (await readFile(passwordFile, 'utf8').catch((cause: unknown) => {
    throw new PulsegateError('EMBEDDED_FOLDER', `the database in ${place.data} has no readable password file ${passwordFile}`, { cause })
  })).trim()
}

/** The major version in PG_VERSION; null when there is no cluster. */
async function clusterMajor ({ data }: Place): Promise<number | null> {
  try {
    return Number.parseInt(await readFile(join(data, 'PG_VERSION'), 'utf8'), 10)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== 'ENOENT') throw new PulsegateError('EMBEDDED_FOLDER', `cannot read the database folder ${data} (${code})`, { cause })
  }
  const entries = await readdir(data).catch(() => [])
  if (entries.length > 0) throw new PulsegateError('EMBEDDED_FOLDER', `${data} holds files that are not a database; nothing there was touched`)
  return null
}

async function programMajor ({ binaries }: Place): Promise<number> {
  const { stdout } = await promisify(execFile)(join(binaries.bin, 'postgres'), ['--version'], { env: programEnvironment, cwd: '/' })
  return Number(/(\d+)/.exec(stdout)?.[1])
}

/** initdb works in a folder beside `data`, renamed when all is on disk: an initdb that was killed leaves no half database. */
async function initialise ({ data, binaries }: Place, account: Account, password: string): Promise<void> {
  const unfinished = `${data}.unfinished`
  const passwordFile = `${data}.password`
  await rm(unfinished, { recursive: true, force: true })
  try {
    await mkdir(unfinished, { mode: 0o700 })
    await writeFile(passwordFile, password, { mode: 0o600 })
    if (account) for (const path of [unfinished, passwordFile]) await chown(path, account.uid, account.gid)
    await promisify(execFile)(join(binaries.bin, 'initdb'), [
      '-D', unfinished, '-U', databaseUser, '--pwfile', passwordFile, '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--data-checksums'
    ], { ...runAs(account), env: programEnvironment, cwd: '/', timeout: 120_000 })
    await rename(unfinished, data)
  } catch (cause) {
    const { stderr, stdout, message } = cause as { stderr?: string, stdout?: string, message: string }
    throw new PulsegateError('EMBEDDED_START_FAILED', `the database could not be made in ${data}: ${lastLines(stderr || stdout || message, 6)}`)
  } finally {
    await rm(passwordFile, { force: true })
  }
}
