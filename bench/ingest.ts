// `bench ingest`: a decoded batch until it is committed, against what PostgreSQL's own client does with the same samples in
// the same table. psql neither finds duplicates nor keeps receipts, so it is a floor and no equal. The database has the
// server core; the writer, and psql, have the other one.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { once } from 'node:events'
import { type BenchOptions } from './arguments.ts'
import { columnsOf, copyColumns, copyText, type BatchShape } from './batches.ts'
import { cpuOf } from './cpu.ts'
import { query, startDatabase, type BenchServer } from './database.ts'
import { startNodeProgram } from './node-server.ts'
import { shown, type Measurement, type Table } from './outcome.ts'
import { loadCore } from './pinned.ts'
import { inRounds, type Case } from './rounds.ts'
import { median, ratiosOf, valuesOf, type Run } from './statistics.ts'
import { spreadText } from './summary.ts'

const writer = 'Pulsegate writer, first time'
const resent = 'Pulsegate writer, all resent'
const psql = 'psql \\copy, as they arrive'
const psqlSorted = 'psql \\copy, sorted beforehand'
const subjects = [psql, psqlSorted, writer, resent]

// 10,000 rows a transaction in both, as many as a full batch of the queue has with 10 samples a message
const shapes: readonly BatchShape[] = [{ batches: 40, messages: 1_000, samples: 10 }, { batches: 40, messages: 1_000, samples: 1 }]
const warmBatches = 10

function nameOf ({ messages, samples }: BatchShape): string {
  return `${messages.toLocaleString('en')} messages of ${samples === 1 ? '1 sample' : `${samples} samples`}`
}

interface Timed { readonly seconds: number, readonly clientMs: number, readonly databaseMs: number }

function values ({ seconds, clientMs, databaseMs }: Timed, { batches, messages, samples }: BatchShape): Record<string, number> {
  const rows = batches * messages * samples
  return { rate: rows / seconds, clientUs: clientMs * 1_000 / rows, databaseUs: databaseMs * 1_000 / rows, us: (clientMs + databaseMs) * 1_000 / rows, commitMs: seconds * 1_000 / batches }
}

/** Yesterday at noon: one chunk, and inside every retention. */
function startMs (): number {
  return Math.floor(Date.now() / 86_400_000) * 86_400_000 - 43_200_000
}

async function runWriter (database: BenchServer, shape: BatchShape, isResent: boolean): Promise<Record<string, number>> {
  return await database.withDatabase(async (databaseUrl) => {
    const program = startNodeProgram(loadCore, 'writer', { databaseUrl, shape, warmBatches, startMs: startMs(), resent: isResent })
    const pids = { client: program.pid, database: database.pid }
    try {
      await program.until('measuring')
      const before = cpuOf(pids)
      const { seconds, stored } = await program.until('measured')
      const after = cpuOf(pids)
      await program.until('result')
      const wanted = isResent ? 0 : shape.batches * shape.messages * shape.samples
      if (stored !== wanted) throw new Error(`the writer stored ${String(stored)} samples, not ${wanted}`)
      return values({ seconds: Number(seconds), clientMs: after.client - before.client, databaseMs: after.database - before.database }, shape)
    } finally {
      await program.stop()
    }
  })
}

/** One session of psql on the load core; `copy` resolves when psql has said that the file is in. */
class Psql {
  readonly #child
  readonly #lines: AsyncIterator<string>

  constructor (command: string, url: string) {
    this.#child = spawn('taskset', ['--cpu-list', String(loadCore), command, '--no-psqlrc', '--quiet', '--set', 'ON_ERROR_STOP=1', url], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  get pid (): number { return this.#child.pid ?? NaN }

  async copy (file: string): Promise<void> {
    this.#child.stdin.write(`\\copy ${copyColumns} from '${file}'\n\\echo done\n`)
    const { done } = await this.#lines.next()
    if (done === true) throw new Error('psql ended')
  }

  async end (): Promise<void> {
    const exited = this.#child.exitCode === null ? once(this.#child, 'exit') : null
    this.#child.stdin.end()
    await exited
  }
}

async function timePsql (session: Psql, files: readonly string[], database: BenchServer): Promise<Timed> {
  for (const file of files.slice(0, warmBatches)) await session.copy(file)
  const pids = { client: session.pid, database: database.pid }
  const before = cpuOf(pids)
  const started = performance.now()
  for (const file of files.slice(warmBatches)) await session.copy(file)
  const seconds = (performance.now() - started) / 1_000
  const after = cpuOf(pids)
  return { seconds, clientMs: after.client - before.client, databaseMs: after.database - before.database }
}

async function runPsql (database: BenchServer, shape: BatchShape, sorted: boolean): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'pulsegate-bench-'))
  try {
    const files = Array.from({ length: warmBatches + shape.batches }, (_, batch) => {
      const file = join(folder, `${batch}.tsv`)
      writeFileSync(file, copyText(columnsOf(shape, batch, startMs()), sorted))
      return file
    })
    return await database.withDatabase(async (url) => {
      const session = new Psql(database.psql, url)
      try {
        const timed = await timePsql(session, files, database)
        const { rows } = await query(url, async (client) => await client.query<{ count: string }>('SELECT count(*) FROM sample'))
        if (Number(rows[0]?.count) !== files.length * shape.messages * shape.samples) throw new Error('psql did not store every row')
        return values(timed, shape)
      } finally {
        await session.end()
      }
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const note = 'One transaction a batch. Our writer also stores a receipt a message, which is what makes a resend harmless, and sorts the samples itself; ' +
  '“all resent” writes messages that are stored already, through a writer that remembers none of them. Ratio above 1: faster than psql with the rows as they arrive.'

function table (runs: readonly Run[], shape: string): Table {
  const measured = subjects.filter((subject) => valuesOf(runs, subject, shape, 'rate').length > 0)
  const rows = measured.map((subject) => {
    const all = (name: string): number[] => valuesOf(runs, subject, shape, name)
    return [subject, spreadText(all('rate')), shown(median(all('clientUs'))), shown(median(all('databaseUs'))), shown(median(all('commitMs'))),
      subject === psql ? '' : shown(median(ratiosOf(runs, subject, psql, shape, 'rate'))),
      subject === psql ? '' : shown(median(ratiosOf(runs, psql, subject, shape, 'us')))]
  })
  const columns = ['way', 'rows/s', 'client CPU µs/row', 'database CPU µs/row', 'ms/batch', 'rate ratio to psql', 'CPU ratio to psql']
  return { title: `Decoded batch to commit, ${shape}`, note, columns, rows }
}

export async function benchIngest ({ rounds, only }: BenchOptions, onRun: (text: string) => void): Promise<Measurement> {
  const database = await startDatabase()
  try {
    const cases = shapes.flatMap((shape): Case[] => [
      { subject: psql, shape: nameOf(shape), run: async () => await runPsql(database, shape, false) },
      { subject: writer, shape: nameOf(shape), run: async () => await runWriter(database, shape, false) },
      { subject: resent, shape: nameOf(shape), run: async () => await runWriter(database, shape, true) },
      { subject: psqlSorted, shape: nameOf(shape), run: async () => await runPsql(database, shape, true) }
    ])
    const { runs, failures } = await inRounds(cases, { rounds, only, onRun })
    const ten = nameOf(shapes[0] as BatchShape)
    const target = (subject: string, wanted: number) => ({ what: `${ten}: ${subject}, against ${psql}`, wanted, got: median(ratiosOf(runs, subject, psql, ten, 'rate')) })
    const targets = [target(writer, 1), target(resent, 0.5)].filter(({ got }) => !Number.isNaN(got))
    return { runs, failures, targets, tables: shapes.map((shape) => table(runs, nameOf(shape))) }
  } finally {
    await database.stop()
  }
}
