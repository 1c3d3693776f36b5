import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'
import { readTokenFile } from '../../certs/token-file.ts'
import { parseToken } from '../../certs/token-text.ts'
import { Tokens } from '../../certs/tokens.ts'

const id = '6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5'

test('a token is kept as a hash, in files that only their owner can read [C14]', async (t) => {
  const directory = t.testdir()
  const [made] = await new Tokens(directory).make([id])
  if (!made) throw new Error('no token')
  const parts = parseToken(made.token)
  t.ok(Buffer.from(parts?.secret ?? '', 'base64url').length === 32, '256 random bits')
  const files = (await readdir(join(directory, 'tokens'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  t.equal(files.length, 1)
  const path = join(directory, 'tokens', files[0]?.name ?? '')
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.equal((await stat(join(directory, 'tokens'))).mode & 0o777, 0o700)
  t.notMatch(await readFile(path, 'utf8'), parts?.secret ?? 'x')
  t.match(await new Tokens(directory).list(), [{ name: made.name, device: id, state: 'open' }])
})

test('open, used, revoked, expired, unknown: each is told apart by who knows the secret, and only by them', async (t) => {
  const tokens = new Tokens(t.testdir())
  const [good, revoked, short] = [...await tokens.make([id, id]), ...await tokens.make([id], 60_000)]
  if (!good || !revoked || !short) throw new Error('no tokens')
  t.match(await tokens.check(good.token, id), { record: { device: id } })
  t.match(await tokens.check(good.token, randomUUID()), { fault: 'wrong-device' })
  t.match(await tokens.check(short.token, id, Date.now() + 60_000), { fault: 'expired' })
  t.ok(await tokens.spend(good.name))
  t.match(await tokens.check(good.token, id), { fault: 'used' })
  t.match(await tokens.check(`pgt_${good.name}_${'A'.repeat(43)}`, id), { fault: 'unknown' })
  await tokens.giveBack(good.name)
  t.match(await tokens.check(good.token, id), { record: { name: good.name } })
  await tokens.revoke(revoked.name)
  t.match(await tokens.check(revoked.token, id), { fault: 'revoked' })
  t.notOk(await tokens.spend(revoked.name))
  await t.rejects(tokens.revoke(revoked.name), { code: 'CERTS_UNKNOWN' })
  await t.rejects(tokens.revoke('../../root'), { code: 'CERTS_UNKNOWN' })
  for (const text of ['', 'pgt_', `pgt_../../../../etc_${'A'.repeat(43)}`, `${good.token}x`, ` ${good.token}`]) t.match(await tokens.check(text, id), { fault: 'malformed' })
  await t.rejects(tokens.make([id], 1_000), { code: 'CERTS_INPUT_INVALID' })
  t.same((await tokens.list()).map(({ state }) => state).sort(), ['open', 'open', 'revoked'])
})

test('a token is spent once, also by several processes at the same moment [C14]', async (t) => {
  const directory = t.testdir()
  const [made] = await new Tokens(directory).make([id])
  const module = fileURLToPath(new URL('./dist/certs/tokens.js', import.meta.resolve('#package')))
  const program = `const { Tokens } = await import(${JSON.stringify(module)})
const tokens = Array.from({ length: 10 }, () => new Tokens(${JSON.stringify(directory)}))
console.log((await Promise.all(tokens.map((one) => one.spend(${JSON.stringify(made?.name)})))).filter(Boolean).length)`
  const outputs = await Promise.all(Array.from({ length: 4 }, () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])))
  t.equal(outputs.reduce((sum, { stdout }) => sum + Number(stdout), 0), 1)
})

test('a file of tokens is refused when others can read it, and gives each token for any device once [C14]', async (t) => {
  const directory = t.testdir()
  const path = join(directory, 'tokens.txt')
  const [bound, any] = await new Tokens(directory).make([id, null])
  await writeFile(path, `${id} ${bound?.token}\n\nany ${any?.token}\n`, { mode: 0o644 })
  await t.rejects(readTokenFile(path), { code: 'CERTS_TOKEN_FILE', message: /chmod 0600/ })
  await promisify(execFile)('chmod', ['600', path])
  const file = await readTokenFile(path)
  t.equal(file.take(id), bound?.token)
  t.equal(file.take(randomUUID()), any?.token)
  t.throws(() => file.take(id), { code: 'CERTS_TOKEN_FILE' })
  await writeFile(path, `${id} ${bound?.token.slice(1)}\n`)
  const error = await readTokenFile(path).catch((thrown: unknown) => thrown)
  t.match(error, { code: 'CERTS_TOKEN_FILE', message: /line 1/ })
  t.notMatch((error as Error).message, bound?.token.slice(30) ?? 'x')
})
