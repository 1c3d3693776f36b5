import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { openAuthority } from '../../certs/authority.ts'
import { keyFault, readKey } from '../../certs/files.ts'
import { createPki } from '../fixtures/pki.ts'

test('a key is used only when nobody else could have read or replaced it', async (t) => {
  const [root, we, other] = [0, 1000, 1001]
  const table: Array<[string, number, number, number, RegExp | null]> = [
    ['ours and private', 0o600, we, we, null],
    ['ours and read-only', 0o400, we, we, null],
    ['ours, readable by the group', 0o640, we, we, /chmod 0600/],
    ['ours, readable by all', 0o644, we, we, /chmod 0600/],
    ['ours, writable by all', 0o602, we, we, /chmod 0600/],
    ['root\'s, given to our group', 0o640, root, we, null],
    ['root\'s, readable by all', 0o644, root, we, /chmod 0640/],
    ['root\'s, writable by the group', 0o660, root, we, /chmod 0640/],
    ['another user\'s', 0o600, other, we, /chown 1000/],
    ['root reads root\'s', 0o600, root, root, null],
    ['root reads root\'s, readable by the group', 0o640, root, root, /chmod 0600/],
    ['root reads a plain user\'s, who could replace it', 0o600, we, root, /chown 0/]
  ]
  for (const [what, mode, owner, us, remedy] of table) {
    const fault = keyFault({ path: '/ca/x.key', mode: 0o100_000 | mode, owner, us })
    if (remedy === null) t.equal(fault, null, what)
    else t.match(fault, remedy, what)
  }
  t.equal(keyFault({ path: 'x.key', mode: 0o666, owner: 0, us: undefined }), null, 'no user ids, no rule')
})

test('an authority with an exposed key does not open, and the message says what to do', async (t) => {
  const { dir } = await createPki(t)
  for (const name of ['issuing.key', 'root.key']) {
    const path = join(dir, name)
    await chmod(path, 0o644)
    await t.rejects(openAuthority(dir), { code: 'CERTS_KEY_EXPOSED', message: `chmod 0600 '${path}'` }, name)
    await chmod(path, 0o600)
  }
  await t.resolves(openAuthority(dir))
})

test('what is not a key is named, and its content is not repeated', async (t) => {
  const path = join(t.testdir(), 'x.key')
  await writeFile(path, 'secret words', { mode: 0o600 })
  const error: unknown = await readKey(path).catch((reason: unknown) => reason)
  t.match(error, { code: 'CERTS_AUTHORITY_DAMAGED', message: path })
  t.notMatch(String(error), 'secret')
})
