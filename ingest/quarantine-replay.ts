// The way out of quarantine: sends what a selection names through decoding, checks, placing and storing again, page by page, oldest
// first. Runs as the owner. Promise: interrupted at any moment, by a signal or by kill −9, and begun again, alone or beside
// another, it stores each message once: receipts decide, as for any redelivery. Memory is bounded by one page.
import { PulsegateError } from '../runtime/errors.ts'
import { retry } from '../runtime/retry.ts'
import { type Database } from './database.ts'
import { type DataKeys } from './keys/data-keys.ts'
import { Lookup } from './lookup.ts'
import { type PrepareContext } from './prepare.ts'
import { DryLookup } from './quarantine-dry-lookup.ts'
import { conditionOfSelection, type Selection } from './quarantine-filter.ts'
import { type PageTools, replayPage } from './quarantine-outcome.ts'
import { erasePage, markPage, openPage, type PageBounds, readPage, type Verdict } from './quarantine-page.ts'
import { sealPlainOf } from './quarantine-seal-plain.ts'
import { RecentReceipts } from './recent.ts'
import { classify, describeFault, sqlStateOf } from './sqlstate.ts'
import { Writer } from './writer.ts'

export interface ReplayOptions {
  /** What opens the payloads, and seals what the database refuses. */
  readonly keys: DataKeys
  /** How long readings are kept, ms. */
  readonly retentionMs: number
  /** In place of the program's own decoder. */
  readonly decode?: PrepareContext['decode']
  /** Say what would happen, write nothing. */
  readonly dryRun?: boolean
  /** Leave out numbers up to this one. */
  readonly after?: number
  /** Aborts: no more waiting for a database that is away. A page is never cut in two. */
  readonly hard?: AbortSignal
  /** Told of each attempt that failed and is made again. */
  readonly onRetry?: (fault: string) => void
  /** Default 500 rows and 4 MiB. */
  readonly bounds?: PageBounds
}

export interface ReplayPage {
  readonly results: ReadonlyArray<Pick<Verdict, 'id' | 'outcome' | 'reason'>>
  /** Number of the last message of the page. */
  readonly lastId: number
}

export interface Replay {
  /** How many messages are selected; null when counting them would take too long. */
  readonly total: number | null
  /** Replays the next page; null: that was all. What comes into quarantine after the start is not part of it. */
  next (): Promise<ReplayPage | null>
}

// as large as a batch of the worker in bytes, half in rows: a stop waits for one page
const defaultBounds: PageBounds = { rows: 500, bytes: 4 * 1024 * 1024 }
// for the sake of a percentage, nobody waits longer
const countTimeoutMs = 5_000
// a restart or a fail-over takes seconds; an outage is for a person, who can begin again at no cost
const patienceMs = 30_000

/** Errors: QUARANTINE_UNKNOWN for a number that is not there; those of the database once its patience is over. */
export async function openReplay (database: Database, selection: Selection, options: ReplayOptions): Promise<Replay> {
  const { keys, retentionMs, decode, dryRun = false, bounds = defaultBounds } = options
  if ('ids' in selection) await refuseUnknown(database, selection.ids)
  const { rows: [newest] } = await database.query<{ id: string }>('SELECT coalesce(max(id), 0) AS id FROM quarantine')
  const upTo = Number(newest?.id)
  let after = options.after ?? 0
  const total = await countSelected(database, selection, { after, upTo })
  const patiently = patience(options)
  const tools: PageTools = {
    database,
    retentionMs,
    decode,
    patiently,
    seen: new RecentReceipts(),
    lookup: dryRun ? new DryLookup(database) : new Lookup(database),
    writer: dryRun ? null : new Writer(database, keys)
  }
  return {
    total,
    async next () {
      const rows = await patiently(() => readPage(database, selection, { after, upTo, bounds }))
      const lastId = Number(rows.at(-1)?.id ?? 0)
      if (lastId === 0) return null
      const { held, unopened } = await patiently(() => openPage(keys, rows))
      // rows from before sealing get their keyed digest now: by it, a row that the database refuses finds its older one
      if (!dryRun) await patiently(() => sealPlainOf(database, keys, rows.filter(({ key }) => key === null).map(({ id }) => Number(id))))
      const verdicts = [...held.length === 0 ? [] : await replayPage(held, tools), ...unopened].sort((a, b) => a.id - b.id)
      if (!dryRun) {
        await patiently(() => erasePage(database, held, verdicts))
        await patiently(() => markPage(database, verdicts))
      }
      after = lastId
      return { results: verdicts.map(({ id, outcome, reason }) => ({ id, outcome, reason })), lastId }
    }
  }
}

async function refuseUnknown (database: Database, ids: readonly number[]): Promise<void> {
  const { rows } = await database.query<{ id: string }>(
    'SELECT id FROM unnest($1::int8[]) AS wanted (id) WHERE NOT EXISTS (SELECT FROM quarantine q WHERE q.id = wanted.id) ORDER BY id', [ids])
  if (rows.length === 0) return
  const shown = rows.slice(0, 10).map(({ id }) => id).join(', ')
  throw new PulsegateError('QUARANTINE_UNKNOWN', `nothing in quarantine has the number${rows.length > 1 ? 's' : ''} ${shown}${rows.length > 10 ? ` and ${rows.length - 10} more` : ''}; nothing was replayed`)
}

async function countSelected (database: Database, selection: Selection, range: { after: number, upTo: number }): Promise<number | null> {
  const { text, values } = conditionOfSelection(selection, range)
  try {
    return await database.transaction(async (client) => {
      await client.query(`SET LOCAL statement_timeout = ${countTimeoutMs}`)
      const { rows: [row] } = await client.query<{ n: string }>(`SELECT count(*) AS n FROM quarantine WHERE ${text}`, values)
      return Number(row?.n)
    })
  } catch (error) {
    // query_canceled: the timeout
    if (sqlStateOf(error) === '57014') return null
    throw error
  }
}

/** Tries a step again while the database fails for a passing reason, but not for ever. */
function patience ({ hard = new AbortController().signal, onRetry }: ReplayOptions): PageTools['patiently'] {
  return (step) => {
    const until = performance.now() + patienceMs
    return retry(step, {
      baseMs: 100,
      capMs: 2_000,
      signal: hard,
      retryable: (error) => classify(error) === 'transient' && performance.now() < until,
      onRetry: ({ error }) => { onRetry?.(describeFault(error)) }
    })
  }
}
