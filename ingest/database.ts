// The one door to PostgreSQL. Takes a URL from configuration, gives a pool in which every wait has an end: connecting,
// a statement, a lock, an idle transaction, a dead network. Addresses that are not on this machine get verified TLS (database-tls.ts). Promises that a transaction that resolves has committed (the
// COMMIT's own tag is checked), and that a client which saw any error never goes back to the pool.
import pg from 'pg'
import { onAbort, orAborted } from '../runtime/abort.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type Logger } from '../runtime/observability.ts'
import { databaseAddress, databaseTls, explainTls } from './database-tls.ts'
import { detectEdition, type Edition } from './edition.ts'

/** The group roles of schemas/sql/grants.sql. */
export type DatabaseRole = 'pulsegate_ingest' | 'pulsegate_broker' | 'pulsegate_reader' | 'pulsegate_auditor'

export interface DatabaseOptions {
  /** Shown in pg_stat_activity. */
  readonly applicationName?: string
  /** Most connections at once, default 4. */
  readonly poolSize?: number
  /** The server ends a statement after this, default 30,000 ms. */
  readonly statementTimeoutMs?: number
  /** Every connection does SET ROLE to it; the login must be a member (or the owner). */
  readonly role?: DatabaseRole
  /** Told of connections that broke while idle; they are replaced by themselves. */
  readonly log?: Logger
}

export type Client = pg.PoolClient
export type Rows<R extends pg.QueryResultRow> = pg.QueryResult<R>

export interface Database {
  /** One statement on any connection. Errors are those of pg, with the SQLSTATE in `code`. */
  query<R extends pg.QueryResultRow = pg.QueryResultRow> (text: string, values?: readonly unknown[]): Promise<pg.QueryResult<R>>
  /**
   * BEGIN, `fn`, COMMIT on one connection. Resolves only when the server has answered COMMIT. Any error: rolled back, or
   * unknown when the connection broke (its `code` is then undefined or 08*); the connection is thrown away.
   */
  transaction<T> (fn: (client: Client) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** One connection, no transaction. Thrown away when `fn` rejects. */
  withClient<T> (fn: (client: Client) => Promise<T>): Promise<T>
  /** Asked once, then remembered. */
  edition (): Promise<Edition>
  /** Waits for what is running; with `hard` aborted it cuts the connections instead. */
  close (hard?: AbortSignal): Promise<void>
}

// A connection is made in milliseconds; five seconds cover a restarting server's first answers, not an absent one.
const connectTimeoutMs = 5_000
// Locks of ours are held for milliseconds, a retention drop gives up after two seconds.
const lockTimeoutMs = 10_000
// We never leave a transaction idle on purpose; ten seconds is a stalled event loop, not work.
const idleInTransactionTimeoutMs = 10_000

/** Opens a pool; connects lazily, so it also succeeds while the database is down. Errors: of startupOf; DATABASE_TLS_REFUSED at the first use. */
export function openDatabase (url: string, options: DatabaseOptions = {}): Database {
  const { applicationName = 'pulsegate', poolSize = 4, statementTimeoutMs = 30_000, role, log } = options
  const pool = new pg.Pool({
    ...startupOf(url, role),
    application_name: applicationName,
    max: poolSize,
    connectionTimeoutMillis: connectTimeoutMs,
    idleTimeoutMillis: 60_000,
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
    // the server's own deadline comes first; this one is for a server that no longer answers at all
    query_timeout: statementTimeoutMs + 5_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000
  })
  // without listeners a connection that dies between two queries ends the process
  pool.on('error', (error) => { log?.warn({ code: sqlState(error) }, 'idle database connection lost') })
  pool.on('connect', (client) => { client.on('error', () => {}) })
  return new PooledDatabase(pool)
}

/**
 * How to connect, and as whom. pg lets `options` of the URL replace ours; taken out of it they come first, and ours win.
 * Errors: CONFIG_INVALID, TLS_FILE_UNREADABLE, SECRET_FILE_EXPOSED.
 */
export function startupOf (url: string, role?: DatabaseRole): { connectionString: string, options: string, ssl: ReturnType<typeof databaseTls> } {
  const ours = `-c TimeZone=UTC -c DateStyle=ISO${role === undefined ? '' : ` -c role=${role}`}`
  const address = databaseAddress(url)
  const ssl = databaseTls(address)
  const parsed = new URL(address.connectionString)
  const theirs = parsed.searchParams.get('options')
  parsed.searchParams.delete('options')
  return { connectionString: parsed.href, options: theirs === null ? ours : `${theirs} ${ours}`, ssl }
}

function sqlState (error: unknown): string | undefined {
  return (error as { code?: string }).code
}

class PooledDatabase implements Database {
  readonly #pool: pg.Pool
  #edition: Promise<Edition> | undefined

  readonly #clients = new Set<pg.PoolClient>()

  constructor (pool: pg.Pool) {
    this.#pool = pool
    pool.on('connect', (client) => { this.#clients.add(client) })
    pool.on('remove', (client) => { this.#clients.delete(client) })
  }

  query<R extends pg.QueryResultRow> (text: string, values: readonly unknown[] = []): Promise<pg.QueryResult<R>> {
    return this.withClient((client) => client.query<R>(text, [...values]))
  }

  async withClient<T> (fn: (client: Client) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((error: unknown) => { throw explainTls(error) })
    let failure: unknown
    try {
      return await fn(client)
    } catch (error) {
      // after a query_timeout the client is unusable though it looks healthy, so no client that failed is kept
      failure = error ?? new Error('failed without an error')
      throw error
    } finally {
      client.release(failure === undefined ? undefined : asError(failure))
    }
  }

  transaction<T> (fn: (client: Client) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.withClient(async (client) => {
      signal?.throwIfAborted()
      await client.query('BEGIN')
      const result = await fn(client)
      signal?.throwIfAborted()
      const { command } = await client.query('COMMIT')
      // a COMMIT after a failed statement resolves normally, but its tag says ROLLBACK
      if (command !== 'COMMIT') throw new PulsegateError('TRANSACTION_NOT_COMMITTED', `the server answered COMMIT with ${command}: nothing of this transaction is stored`)
      return result
    })
  }

  edition (): Promise<Edition> {
    this.#edition ??= this.withClient(async (client) => (await detectEdition(client)).edition)
      .catch((error: unknown) => { this.#edition = undefined; throw error })
    return this.#edition
  }

  async close (hard?: AbortSignal): Promise<void> {
    const ended = this.#pool.end()
    if (hard === undefined) return ended
    const forget = onAbort(hard, () => { for (const client of this.#clients) cut(client) })
    // a connection that is just being made cannot be cut; it ends by its own deadline
    await orAborted(ended, hard).catch(() => {})
    forget()
  }
}

/** Ends a connection under a query that hangs: its promise rejects, and no timer of pg keeps the process. */
function cut (client: pg.PoolClient): void {
  (client as unknown as { connection: { stream: { destroy (): void } } }).connection.stream.destroy()
}

function asError (value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value))
}
