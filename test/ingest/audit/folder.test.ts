// The folder outside of the database, and what is hashed: canonical JSON.
import { createPublicKey } from 'node:crypto'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'tap'
import { canonicalJson, type Json } from '../../../ingest/audit/canonical.ts'
import { auditFolder, ensureFolder, readKeys, readSigningKey, readTrusted, rotateKey } from '../../../ingest/audit/folder.ts'
import { keyIdOf, parsePublicKey } from '../../../ingest/audit/keys.ts'
import { fileFault } from '../../../runtime/owner-only.ts'
import { appendLines } from '../../../runtime/private-file.ts'
import { testFolder } from '../../fixtures/folder.ts'

test('processes that start at once make one key', async (t) => {
  const folder = auditFolder(join(testFolder(t), 'deep', 'audit'))
  const made = await Promise.all(Array.from({ length: 8 }, () => ensureFolder(folder)))
  t.equal(made.filter(Boolean).length, 1)
  const key = keyIdOf(createPublicKey(await readSigningKey(folder)))
  t.equal(keyIdOf(parsePublicKey(await readFile(folder.publicKey, 'utf8'), folder.publicKey)), key)
  t.match(await readKeys(folder), { records: [{ key }], bad: 0 })
  t.equal((await stat(folder.directory)).mode & 0o777, 0o700)
  t.equal((await stat(folder.privateKey)).mode & 0o777, 0o600)
})

test('a key that others can read is not used, and the fault says what to do [C14]', async (t) => {
  const folder = auditFolder(join(testFolder(t), 'audit'))
  await ensureFolder(folder)
  await chmod(folder.privateKey, 0o644)
  await t.rejects(ensureFolder(folder), { code: 'AUDIT_KEY_EXPOSED', message: /signing\.key has mode 0644.*chmod 0600/ })
  await chmod(folder.privateKey, 0o600)
  await chmod(folder.directory, 0o755)
  await ensureFolder(folder)
  t.equal((await stat(folder.directory)).mode & 0o777, 0o700)
  await writeFile(folder.privateKey, 'no key')
  await t.rejects(ensureFolder(folder), { code: 'AUDIT_KEY_INVALID', message: /signing\.key/ })
  t.match(fileFault({ path: 'k', mode: 0o600, owner: 7, us: 8 }), /belongs to user 7/)
  t.equal(fileFault({ path: 'k', mode: 0o640, owner: 0, us: 8 }), null, 'a secret mounted for a service')
})

test('a rotation keeps the old key known, and two at once are one', async (t) => {
  const folder = auditFolder(join(testFolder(t), 'audit'))
  await ensureFolder(folder)
  const before = keyIdOf(createPublicKey(await readSigningKey(folder)))
  const results = await Promise.allSettled([rotateKey(folder), rotateKey(folder)])
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  const now = keyIdOf(createPublicKey(await readSigningKey(folder)))
  t.not(now, before)
  t.match(await readKeys(folder), { records: [{ key: before }, { key: now, previous: before }] })
  await rotateKey(folder)
})

test('keys of other machines are read from trusted/, and what is no key is named', async (t) => {
  const folder = auditFolder(testFolder(t, { trusted: { 'other.pem': 'no key' } }))
  await t.rejects(readTrusted(folder), { code: 'AUDIT_KEY_INVALID', message: /other\.pem/ })
  t.strictSame(await readTrusted(auditFolder(testFolder(t))), [])
})

test('behind a torn line a new one begins', async (t) => {
  const path = join(testFolder(t, { 'lines.jsonl': 'whole\ntor' }), 'lines.jsonl')
  await appendLines(path, 'next\n')
  await appendLines(path, 'more\n')
  t.equal(await readFile(path, 'utf8'), 'whole\ntor\nnext\nmore\n')
})

test('canonical JSON: the example of RFC 8785, 3.2.3, and the same text whatever the order', async (t) => {
  const given = JSON.parse(String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`) as Json
  t.equal(canonicalJson(given), String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`)
  t.equal(canonicalJson({ '\u20ac': 1, '\r': 2, '\ud83d\ude00': 3, 1: 4, '\u0080': 5, ö: 6, דּ: 7, gone: undefined }),
    '{"\\r":2,"1":4,"\u0080":5,"ö":6,"\u20ac":1,"\ud83d\ude00":3,"\ufb33":7}', 'keys by UTF-16 code units, 3.2.3')
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean())), (value) => {
    const text = canonicalJson(value)
    const turned = canonicalJson(Object.fromEntries(Object.entries(value).reverse()))
    return text === turned && canonicalJson(JSON.parse(text) as Json) === text
  }))
})
