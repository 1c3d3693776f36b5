// The rows of the audit trail in a database, page by page in the order of their numbers; while one page is worked on the next one is on its
// way. Everything arrives as text, which is what is compared.
import { type Database } from '../database.ts'
import { type StoredRow } from './check.ts'
import { columnsSql } from './columns.ts'
import { type SignedHead } from './heads.ts'

const pageRows = 5_000

/** Rows with numbers above `after`, up to `to`. */
export async function * readRows (database: Database, { after = 0, to = Number.MAX_SAFE_INTEGER }: { after?: number, to?: number } = {}): AsyncGenerator<StoredRow[]> {
  const relation = await relationOf(database)
  let next = readPage(database, relation, after, to)
  for (;;) {
    const page = await next
    const last = page.at(-1)
    if (last === undefined) return
    const more = page.length === pageRows
    if (more) next = readPage(database, relation, last.number, to)
    // a consumer that stops early leaves nobody to hear of its failure
    next.catch(() => {})
    yield page
    if (!more) return
  }
}

/** The table where it may be read; an auditor sees it through the view. */
async function relationOf (database: Database): Promise<'audit' | 'audit_trail'> {
  const { rows } = await database.query<{ may: boolean }>("SELECT has_table_privilege('audit', 'SELECT') AS may")
  return rows[0]?.may === true ? 'audit' : 'audit_trail'
}

const asText = { getTypeParser: () => (value: string | null) => value }

async function readPage (database: Database, relation: string, after: number, to: number): Promise<StoredRow[]> {
  const { rows } = await database.withClient((client) => client.query<Array<string | null>>({
    text: `SELECT number, id, encode(hash, 'hex'), event, ${columnsSql} FROM ${relation} WHERE number > $1 AND number <= $2 ORDER BY number LIMIT ${pageRows}`,
    values: [after, to],
    rowMode: 'array',
    types: asText
  }))
  return rows.map(([number, id, hash, text, texts, detail]) => ({ number: Number(number), id: id ?? '', hash: hash ?? '', text: text ?? '', columns: { texts: texts ?? '', detail: detail ?? null } }))
}

/** The signed heads in the table, oldest first. */
export async function readTableHeads (database: Database): Promise<SignedHead[]> {
  const { rows } = await database.query<{ number: string, hash: Buffer, atMs: string, key: string, signature: Buffer }>(
    'SELECT number, hash, at_ms AS "atMs", key, signature FROM audit_head ORDER BY id')
  return rows.map(({ number, hash, atMs, key, signature }) => ({ number: Number(number), hash: hash.toString('hex'), atMs: Number(atMs), key, signature: signature.toString('base64') }))
}

/** How many rows there are to come, for progress: exact unless something is wrong. */
export async function lastNumber (database: Database): Promise<number> {
  const { rows } = await database.query<{ number: string | null }>(`SELECT max(number) AS number FROM ${await relationOf(database)}`)
  return Number(rows[0]?.number ?? 0)
}
