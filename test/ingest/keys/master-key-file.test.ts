// The master key in a file: made once, private, refused in every other state, each time with what to do.
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { ensureMasterKey, makeMasterKey, masterKeyFile } from '../../../ingest/keys/master-key-file.ts'
import { PulsegateError } from '../../../runtime/errors.ts'
import { fileFault } from '../../../runtime/owner-only.ts'
import { testFolder } from '../../fixtures/folder.ts'

test('made private and whole, never replaced, the same at the next start', async (t) => {
  const path = join(testFolder(t), 'keys', 'master.key')
  t.throws(() => masterKeyFile(path), { code: 'MASTER_KEY_MISSING', message: path })
  const { keys, made } = ensureMasterKey(path)
  t.equal(made, true)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.match(readFileSync(path, 'utf8'), /^[A-Za-z0-9+/]{43}=\n$/)
  t.equal(await masterKeyFile(path).id(), await keys.id())
  t.equal(ensureMasterKey(path).made, false)
  t.throws(() => makeMasterKey(path), { code: 'MASTER_KEY_EXISTS' })
  t.equal(await masterKeyFile(path).id(), await keys.id(), 'and is still the one it was')
})

test('a key that others can read, and one that is none, keep a process from starting: exit 78 and what to type [C14]', async (t) => {
  const path = join(testFolder(t), 'master.key')
  makeMasterKey(path)
  for (const mode of [0o644, 0o640, 0o660, 0o602]) {
    chmodSync(path, mode)
    t.throws(() => masterKeyFile(path), { code: 'SECRET_FILE_EXPOSED', message: `chmod 0600 '${path}'` }, mode.toString(8))
  }
  chmodSync(path, 0o600)
  for (const text of ['', 'c2hvcnQ=', 'a'.repeat(64), readFileSync(path, 'utf8').slice(0, 40)]) {
    writeFileSync(path, text)
    t.throws(() => masterKeyFile(path), { code: 'MASTER_KEY_INVALID' })
  }
  for (const code of ['SECRET_FILE_EXPOSED', 'MASTER_KEY_INVALID', 'MASTER_KEY_MISSING'] as const) t.equal(new PulsegateError(code, '').entry.exit, 78)
  t.match(fileFault({ path, mode: 0o600, owner: 1_001, us: 1_000 }), /belongs to user 1001, who can replace it/)
  t.equal(fileFault({ path, mode: 0o640, owner: 0, us: 1_000 }), null, 'as a mounted secret is')
})
