// Takes spooled audit events into the chain: at the start, every few seconds and at the end, from the folders given. A file goes away only
// when its event is committed; taken in twice (after a crash in between, or by two processes), an event is one row by its id. A file that
// cannot be taken in holds up no other: what is no event, or none that a database takes, is kept beside.
import { open, readdir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type AuditEvent, auditTypes } from '../../runtime/audit.ts'
import { type SpooledEvent, spoolFileName } from '../../runtime/audit-spool.ts'
import { type Observability } from '../../runtime/observability.ts'
import { isMissing } from '../../runtime/private-file.ts'
import { sleep } from '../../runtime/retry.ts'
import { type Database } from '../database.ts'
import { describeFault } from '../sqlstate.ts'
import { append } from './append.ts'
import { isRowsFault } from './drain.ts'
import { stamp, type StampedEvent } from './event.ts'

export interface SpoolOptions {
  readonly database: Database
  readonly folders: readonly string[]
  readonly observability: Observability
  /** Default 5 s. */
  readonly everyMs?: number
}

export interface SpoolTaker {
  /** Takes in what is there now; gives how many events. */
  take (): Promise<number>
  /** Takes in once more. */
  close (): Promise<void>
}

interface SpoolFile { readonly path: string, readonly event: StampedEvent }

const filesAtOnce = 500
// the largest event is a fifth of it
const maxFileBytes = 1_000_000

export function startSpoolTaker ({ database, folders, observability, everyMs = 5_000 }: SpoolOptions): SpoolTaker {
  const log = observability.log.child({ part: 'audit spool' })
  const stopping = new AbortController()
  let failing = false
  let last: Promise<unknown> = Promise.resolve()

  /** What fails is told when everything else is taken in. */
  async function takeAll (): Promise<number> {
    let taken = 0
    const failures: unknown[] = []
    for (const folder of folders) taken += await takeFolder(folder, failures).catch((error: unknown) => { failures.push(error); return 0 })
    if (taken > 0) log.info({ events: taken }, 'spooled audit events taken in')
    if (failures.length > 0) throw failures[0]
    return taken
  }

  async function takeFolder (folder: string, failures: unknown[]): Promise<number> {
    const names = await readdir(folder).catch((error: unknown) => { if (isMissing(error)) return []; throw error })
    const paths = names.filter((name) => spoolFileName.test(name)).sort().map((name) => join(folder, name))
    let taken = 0
    for (let at = 0; at < paths.length; at += filesAtOnce) {
      const files: SpoolFile[] = []
      for (const path of paths.slice(at, at + filesAtOnce)) {
        const event = await readSpooled(path).catch((error: unknown) => { failures.push(error); return 'gone' as const })
        if (event === 'gone') continue
        if (event === null) await setAside(path, 'it is no audit event')
        else files.push({ path, event })
      }
      const chained = await chain(files)
      for (const { path } of chained) await unlink(path).catch(passMissing)
      taken += chained.length
    }
    return taken
  }

  /** Gives those that the database has now. */
  async function chain (files: readonly SpoolFile[]): Promise<readonly SpoolFile[]> {
    const [file, ...others] = files
    if (file === undefined) return []
    try {
      await append(database, files.map(({ event }) => event))
      return files
    } catch (error) {
      if (!isRowsFault(error)) throw error
      if (others.length === 0) {
        await setAside(file.path, describeFault(error))
        return []
      }
      const half = Math.ceil(files.length / 2)
      return [...await chain(files.slice(0, half)), ...await chain(files.slice(half))]
    }
  }

  async function setAside (path: string, why: string): Promise<void> {
    log.error({ file: path, why }, 'a file in the audit spool cannot be taken into the trail; it is kept beside, with .bad behind its name')
    await rename(path, `${path}.bad`).catch(passMissing)
  }

  function take (): Promise<number> {
    const turn = last.then(takeAll, takeAll)
    last = turn.catch(() => {})
    return turn
  }

  async function tryTake (): Promise<void> {
    await take().then(() => { failing = false }, (error: unknown) => {
      if (!failing) log.warn({ fault: describeFault(error) }, 'spooled audit events could not be taken in; tried again later')
      failing = true
    })
  }

  async function repeat (): Promise<void> {
    while (!stopping.signal.aborted) {
      await tryTake()
      await sleep(everyMs, stopping.signal).catch(() => {})
    }
  }

  const running = repeat()
  return {
    take,
    async close () {
      stopping.abort()
      await running
      await tryTake()
    }
  }
}

/** Null when the file holds no event; 'gone' when another process was faster. */
async function readSpooled (path: string): Promise<StampedEvent | null | 'gone'> {
  const file = await open(path, 'r').catch((error: unknown) => { if (isMissing(error)) return null; throw error })
  if (file === null) return 'gone'
  try {
    const stat = await file.stat()
    return stat.isFile() && stat.size <= maxFileBytes ? parseSpooled(await file.readFile('utf8')) : null
  } finally {
    await file.close()
  }
}

/** Another process was faster. */
function passMissing (error: unknown): void { if (!isMissing(error)) throw error }

/** The event in a spool file, ready to be chained; null when it is none. */
export function parseSpooled (text: string): StampedEvent | null {
  try {
    const { id, source, event } = JSON.parse(text) as SpooledEvent
    const known = Object.hasOwn(auditTypes, event.type) && (auditTypes[event.type] as readonly string[]).includes(event.subtype) &&
      ['C', 'R', 'U', 'D', 'E'].includes(event.action) && ['success', 'minor-failure', 'serious-failure', 'major-failure'].includes(event.outcome)
    const whole = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id) && typeof source.node === 'string' && typeof source.version === 'string'
    return known && whole ? stamp(withoutNull(event), source, id) : null
  } catch {
    return null
  }
}

/** What JSON keeps of an absent member is nothing, but a person may have written null. */
function withoutNull (event: AuditEvent): AuditEvent {
  return Object.fromEntries(Object.entries(event).filter(([, value]) => (value as unknown) !== null)) as AuditEvent
}
