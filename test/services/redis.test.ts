// The tests' own Redis: its version and settings, namespaces that leave nothing behind, a server that may be broken.
import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { test, type Test } from 'tap'
import { ownRedis, sharedRedis, temporaryRedis } from './redis.ts'
import { removeRedisLeftovers } from './redis-server.ts'
import { needsServices } from './skip.ts'

const options = { ...needsServices, timeout: 120_000 }

function connect (t: Test, url: string): Redis {
  const client = new Redis(url, { retryStrategy: () => 20 })
  client.on('error', () => {})
  t.teardown(() => { client.disconnect() })
  return client
}

async function setting (client: Redis, name: string): Promise<string | undefined> {
  return (await client.config('GET', name))[1]
}

test('it is Redis 7.0, set to keep what it has answered for', options, async (t) => {
  const client = connect(t, (await ownRedis(t, { maxmemory: '5mb' })).url)
  t.match(await client.info('server'), /redis_version:7\.0\.\d+\r/)
  const expected = { appendonly: 'yes', appendfsync: 'always', 'maxmemory-policy': 'noeviction', save: '', bind: '127.0.0.1', maxmemory: '5242880' }
  for (const [name, value] of Object.entries(expected)) t.equal(await setting(client, name), value, name)
})

test('nobody gets in without the password', options, async (t) => {
  const { port } = await ownRedis(t)
  await t.rejects(connect(t, `redis://127.0.0.1:${port}`).ping(), /NOAUTH/)
})

test('a test leaves nothing behind in the shared server', options, async (t) => {
  const client = connect(t, await sharedRedis())
  let gone: string[] = []
  const kept = await temporaryRedis(t)
  await client.set(`${kept.namespace}:kept`, '1')
  await t.test('as a test would', async (t) => {
    const { url, namespace } = await temporaryRedis(t)
    t.equal(url, await sharedRedis())
    t.match(namespace, /^[A-Za-z0-9._-]{1,40}$/)
    gone = [`${namespace}:workers`, `{${namespace}:p0}:messages`, ...Array.from({ length: 2_500 }, (_, i) => `${namespace}:${i}`)]
    await client.mset(...gone.flatMap((key) => [key, '1']))
  })
  t.equal(await client.exists(...gone), 0, 'its keys are gone')
  t.equal(await client.exists(`${kept.namespace}:kept`), 1, 'another test’s are not')
})

test('a server of one’s own is stopped and started', options, async (t) => {
  let directory = ''
  await t.test('as a test would', async (t) => {
    const server = await ownRedis(t)
    directory = server.directory
    const client = connect(t, server.url)
    await client.set('a', '1')
    const { pid } = server
    await server.stop()
    t.throws(() => server.pid, /does not run/)
    await t.rejects(new Redis(server.url, { lazyConnect: true, retryStrategy: () => null }).on('error', () => {}).connect())
    await server.start()
    t.not(server.pid, pid)
    t.equal(await client.get('a'), '1', 'same port, same data')
  })
  t.notOk(existsSync(directory), 'its folder is gone')
})

test('what a killed server has answered is there when it is started again', options, async (t) => {
  const server = await ownRedis(t)
  const client = connect(t, server.url)
  const before = statSync(server.aofFile()).size
  for (let i = 0; i < 100; i++) await client.xadd('stream', '*', 'i', i)
  t.ok(statSync(server.aofFile()).size > before, 'it is in the file')
  await server.kill()
  await server.start()
  t.equal(await client.xlen('stream'), 100)
})

test('the file being appended to is another one after a rewrite', options, async (t) => {
  const server = await ownRedis(t)
  const client = connect(t, server.url)
  const first = server.aofFile()
  await client.bgrewriteaof()
  while (server.aofFile() === first) await delay(10)
  const size = statSync(server.aofFile()).size
  await client.set('a', '1')
  t.ok(statSync(server.aofFile()).size > size)
})

test('a frozen server does not answer until it is thawed', options, async (t) => {
  const server = await ownRedis(t)
  const client = connect(t, server.url)
  await client.ping()
  server.freeze()
  const answer = client.set('a', '1')
  t.equal(await Promise.race([answer, delay(200, 'silence')]), 'silence')
  server.thaw()
  t.equal(await answer, 'OK', 'on the same connection')
})

test('a server dies with the process that started it', options, async (t) => {
  const program = `const { ownRedis } = await import('${import.meta.url.replace('.test.', '.')}'); const s = await ownRedis({ teardown () {} }); console.log(s.pid, s.directory); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, [...process.execArgv, '--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const { value } = await createInterface(child.stdout)[Symbol.asyncIterator]().next() as { value: string }
  const [pid, directory] = [Number(value.split(' ')[0]), value.split(' ')[1] ?? '']
  t.ok(process.kill(pid, 0))
  child.kill('SIGKILL')
  for (let waited = 0; existsSync(`/proc/${pid}`) && waited < 10_000; waited += 20) await delay(20)
  t.notOk(existsSync(`/proc/${pid}`))
  t.ok(existsSync(directory))
  await removeRedisLeftovers()
  t.notOk(existsSync(directory), 'and its folder is found and removed')
})
