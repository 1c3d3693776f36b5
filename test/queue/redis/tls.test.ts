// TLS to Redis: redis:// stays on this machine unless told otherwise, rediss:// verifies, each refusal says why.
import { test } from 'tap'
import { openRedisQueue, type RedisQueueOptions } from '../../../queue/redis/redis-queue.ts'
import { openBus } from '../../../queue/redis/bus.ts'
import { inspectRedis } from '../../../queue/redis/inspect.ts'
import { isPlainAndRemoteRedis, redisAddress, withRedisTls } from '../../../queue/redis/redis-tls.ts'
import { quietObservability } from '../../../runtime/observability.ts'
import { peekSource } from '../../../schemas/peek-source.ts'
import { createPki } from '../../fixtures/pki.ts'
import { needsServices } from '../../services/skip.ts'
import { outwardAddress, tlsRedis } from '../../services/tls.ts'

const none = { caFile: undefined, certFile: undefined, keyFile: undefined, allowPlain: false }

test('what the URL says, and nothing weaker', async (t) => {
  for (const url of ['redis://localhost:1', 'redis://127.3.0.1', 'redis://[::1]:1/2', 'redis:///3']) t.match(redisAddress(url), { tls: 'off', local: true }, url)
  for (const url of ['rediss://redis', 'rediss://127.0.0.1', 'REDISS://redis']) t.match(redisAddress(url), { tls: 'verified' }, url)
  for (const url of ['redis://redis', 'redis://:secret@10.0.0.7:6379', 'redis://127.0.0.1.example']) t.throws(() => redisAddress(url), { code: 'REDIS_PLAIN_REFUSED' }, url)
  for (const url of ['redis://localhost?host=redis', 'redis://localhost?path=/tmp/x', 'redis://localhost?port=1', 'rediss://redis?tls=off', 'rediss://redis?tls=RedisCloudFixed']) t.throws(() => redisAddress(url), { code: 'CONFIG_INVALID' }, url)
  t.match(redisAddress('redis://redis?tls=off&db=1'), { tls: 'off', local: false, url: 'redis://redis?db=1' })
  t.ok(isPlainAndRemoteRedis('redis://redis?tls=off'))
  t.equal(withRedisTls('redis://redis', { ...none, allowPlain: true }), 'redis://redis?tls=off')
  t.equal(withRedisTls('rediss://redis', { ...none, allowPlain: true, caFile: '/ca.pem' }), 'rediss://redis?ca=%2Fca.pem')
  t.equal(withRedisTls('redis://:p@localhost:1', none), 'redis://:p@localhost:1')
})

test('a real Redis with TLS: the right CA and name work, anything else is refused and says why', { ...needsServices, timeout: 120_000 }, async (t) => {
  const [pki, stranger] = [await createPki(t), await createPki(t)]
  const outside = outwardAddress()
  const { url, plain } = await tlsRedis(t, pki, outside === null ? {} : { bind: `127.0.0.1 ${outside}` })
  const trusting = withRedisTls(url, { ...none, caFile: pki.files.caFile })
  const { log } = quietObservability()
  const open = async (to: string, withinMs = 30_000): Promise<string> => {
    const options: RedisQueueOptions = { url: to, namespace: 'tls', timeoutMs: 5_000, leaseMs: 5_000, allowWeakDurability: false, sourceOf: peekSource, sides: 'both', signal: AbortSignal.timeout(withinMs), observability: quietObservability() }
    try {
      const queue = await openRedisQueue(options)
      await queue.close(AbortSignal.abort())
      return 'open'
    } catch (error) {
      return `${(error as { code: string }).code} ${(error as Error).message}`
    }
  }
  t.equal(await open(trusting), 'open')
  t.match(await inspectRedis(trusting, 'tls', 5_000, log), { durability: { durable: true } }, 'doctor goes the same way')
  const bus = openBus({ url: trusting, namespace: 'tls', timeoutMs: 5_000, brokerId: 'b', observability: quietObservability() })
  t.teardown(() => { bus.close() })
  while (bus.fault !== null) await new Promise((resolve) => setTimeout(resolve, 10))
  t.pass('and so does the way between brokers')
  t.match(await open(url), /^REDIS_TLS_REFUSED .*CA that is not trusted here/)
  t.match(await open(withRedisTls(url, { ...none, caFile: stranger.files.caFile })), /^REDIS_TLS_REFUSED .*CA that is not trusted here/)
  await t.rejects(inspectRedis(url, 'tls', 5_000, log), { code: 'REDIS_TLS_REFUSED' })
  // it hangs up, as a Redis that starts does: waited for, and never spoken to in the clear
  t.match(await open(withRedisTls(plain.url.replace('redis:', 'rediss:'), { ...none, caFile: pki.files.caFile }), 2_000), /^ABORT_ERR/, 'a port without TLS')
  t.match(await open(`${trusting}&cert=${encodeURIComponent(pki.files.certFile)}`), /^TLS_FILE_UNREADABLE/)
  if (outside === null) return
  t.match(await open(trusting.replace('localhost', outside)), /^REDIS_TLS_REFUSED .*another host name/)
  t.match(await open(plain.url.replace('127.0.0.1', outside)), /^REDIS_PLAIN_REFUSED/)
  t.equal(await open(`${plain.url.replace('127.0.0.1', outside)}?tls=off`), 'open', 'on explicit demand')
})
