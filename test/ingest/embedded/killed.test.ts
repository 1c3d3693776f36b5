import { test, type Test } from 'tap'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { startEmbedded } from '../../../ingest/embedded/embedded.ts'
import { quietObservability } from '../../../runtime/observability.ts'
import { testFolder } from '../../fixtures/folder.ts'
import { sleep } from '../../../runtime/retry.ts'

const writer = fileURLToPath(new URL('../../fixtures/embedded-writer.ts', import.meta.url))

/** Runs the writer until it has committed some rows, kills it, and tells what it had said. */
async function writeUntilKilled (t: Test, directory: string, ...mode: string[]) {
  const child = fork(writer, [directory, ...mode], { stdio: 'inherit' })
  t.teardown(() => { child.kill('SIGKILL') })
  const said: Array<{ pid?: number, committed?: number }> = []
  await new Promise<void>((resolve, reject) => {
    child.on('message', (message: { pid?: number, committed?: number }) => {
      said.push(message)
      if (message.committed === 100) resolve()
    })
    child.once('exit', () => reject(new Error('the writer ended by itself')))
  })
  child.kill('SIGKILL')
  await once(child, 'exit')
  return { serverPid: said[0]?.pid ?? 0, committed: Math.max(...said.map(({ committed }) => committed ?? 0)) }
}

async function countRows (url: string): Promise<number> {
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query<{ n: number }>('SELECT count(*)::int AS n FROM written')
  await client.end()
  return rows[0]?.n ?? 0
}

const isRunning = (pid: number) => {
  try { process.kill(pid, 0); return true } catch { return false }
}

test('kill -9 of Pulsegate: the server does not stay behind, and the next start has every row that was committed', async (t) => {
  const directory = testFolder(t)
  const { serverPid, committed } = await writeUntilKilled(t, directory)
  while (process.platform === 'linux' && isRunning(serverPid)) await sleep(50)
  const embedded = await startEmbedded({ directory, log: quietObservability().log })
  t.teardown(() => embedded.close())
  t.ok(await countRows(embedded.url) > committed)
})

test('where the kernel cannot end it, the next start stops the orphan and goes on', async (t) => {
  const directory = testFolder(t)
  const { serverPid, committed } = await writeUntilKilled(t, directory, 'unwatched')
  t.ok(isRunning(serverPid), 'it did stay behind')
  const embedded = await startEmbedded({ directory, log: quietObservability().log })
  t.teardown(() => embedded.close())
  t.notOk(isRunning(serverPid))
  t.ok(await countRows(embedded.url) > committed)
})
