// Takes spooled audit events into the chain: at the start and every few seconds, from the folders given. A file goes away only when its event
// is committed; taken in twice (after a crash in between, or by two processes), an event is one row by its id.
import { readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type AuditEvent, auditTypes } from '../../runtime/audit.ts'
import { type SpooledEvent, spoolFileName } from '../../runtime/audit-spool.ts'
import { type Observability } from '../../runtime/observability.ts'
import { isMissing } from '../../runtime/private-file.ts'
import { sleep } from '../../runtime/retry.ts'
import { type Database } from '../database.ts'
import { describeFault } from '../sqlstate.ts'
import { append } from './append.ts'
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
  close (): Promise<void>
}

const filesAtOnce = 500

export function startSpoolTaker ({ database, folders, observability, everyMs = 5_000 }: SpoolOptions): SpoolTaker {
  const log = observability.log.child({ part: 'audit spool' })
  const stopping = new AbortController()
  let failing = false
  let last: Promise<unknown> = Promise.resolve()

  async function takeAll (): Promise<number> {
    let taken = 0
    for (const folder of folders) {
      while (!stopping.signal.aborted) {
        const some = await takeSome(database, folder, log)
        taken += some
        if (some === 0) break
      }
    }
    if (taken > 0) log.info({ events: taken }, 'spooled audit events taken in')
    return taken
  }

  function take (): Promise<number> {
    const turn = last.then(takeAll, takeAll)
    last = turn.catch(() => {})
    return turn
  }

  async function repeat (): Promise<void> {
    while (!stopping.signal.aborted) {
      await take().then(() => { failing = false }, (error: unknown) => {
        if (!failing) log.warn({ fault: describeFault(error) }, 'spooled audit events could not be taken in; tried again later')
        failing = true
      })
      await sleep(everyMs, stopping.signal).catch(() => {})
    }
  }

  const running = repeat()
  return { take, async close () { stopping.abort(); await running } }
}

/** Gives how many events were taken in. */
async function takeSome (database: Database, folder: string, log: Observability['log']): Promise<number> {
  const names = await readdir(folder).catch((error: unknown) => { if (isMissing(error)) return []; throw error })
  const files = names.filter((name) => spoolFileName.test(name)).sort().slice(0, filesAtOnce).map((name) => join(folder, name))
  const events: StampedEvent[] = []
  const taken: string[] = []
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((error: unknown) => { if (isMissing(error)) return null; throw error })
    if (text === null) continue // another process was faster
    const event = parseSpooled(text)
    if (event === null) {
      log.error({ file }, 'a file in the audit spool is no audit event; it is kept beside, with .bad behind its name')
      await rename(file, `${file}.bad`).catch(passMissing)
      continue
    }
    events.push(event)
    taken.push(file)
  }
  if (events.length === 0) return 0
  await append(database, events)
  for (const file of taken) await unlink(file).catch(passMissing)
  return events.length
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
