// The worker process of `bench streams`: what `pulsegate ingest` composes, on a given Redis and database. Says how many messages
// it has stored. Logs warnings to stderr.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ensureMasterKey } from '../../ingest/keys/master-key-file.ts'
import { serveIngest } from '../../cli/serve-ingest.ts'
import { runServer } from '../../cli/server-process.ts'
import { say, sayStored } from './say.ts'
import { retentionMs, serverConfig } from './server-settings.ts'

// beside the data of the bench, as `pulsegate up` would have it
const masterKey = resolve('.cache/bench/keys/master.key')
ensureMasterKey(masterKey).keys.close()

const { databaseUrl, redisUrl } = JSON.parse(process.argv[2] ?? '') as { databaseUrl: string, redisUrl: string }

process.exit(await runServer('pulsegate-ingest', serverConfig, async (context) => {
  const worker = await serveIngest({
    databaseUrl,
    redisUrl,
    redis: serverConfig,
    auditDir: mkdtempSync(join(tmpdir(), 'pulsegate-bench-audit-')),
    retentionMs,
    keys: { masterKey },
    batch: { maxMessages: serverConfig.batchMessages, maxAgeMs: serverConfig.batchAgeMs }
  }, context)
  say({ event: 'listening' })
  sayStored(() => worker.status().totals.stored)
}))
