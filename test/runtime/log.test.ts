import { test } from 'tap'
import { createLogger } from '../../runtime/log.ts'
import { readableLine } from '../../runtime/log-readable.ts'

const canary = 'c4n4ry-d0-n0t-pr1nt'

function listen (readable = false) {
  const lines: string[] = []
  const log = createLogger({ level: 'trace', destination: { write: (line) => { lines.push(line) } }, readable })
  return { log, text: () => lines.join('') }
}

test('no secret, payload or credential reaches a line, wherever it stands', async (t) => {
  const { log, text } = listen()
  const pem = `-----BEGIN PRIVATE KEY-----\n${canary}\n-----END PRIVATE KEY-----`
  const dataError = Object.assign(new Error(`invalid input syntax for type integer: "${canary}"`),
    { severity: 'ERROR', code: '22P02', detail: canary, where: canary, parameters: [canary] })
  log.info({ payload: canary, password: canary, token: canary, key: canary, keyPem: canary }, 'names')
  log.info({ a: { b: { c: { secret: canary } } }, list: [{ Token: canary }] }, 'deeper names')
  log.info({ url: `postgres://user:${canary}@host:5432/db`, other: `redis://:${canary}@host` }, 'urls')
  log.info({ note: pem }, 'pem')
  log.info({ raw: Buffer.from(canary), array: new Uint8Array(Buffer.from(canary)) }, 'bytes')
  log.info({ socket: new (class Socket { inner = canary })() }, 'objects')
  log.error({ err: dataError }, 'data error')
  log.error(new Error(`cannot reach postgres://u:${canary}@db/x`))
  log.error({ err: new Error('outer', { cause: dataError }) }, 'causes')
  log.error({ err: new AggregateError([dataError]) }, 'lists of errors')
  log.child({ password: canary, nested: { token: canary } }).child({ keyPem: canary, bytes: Buffer.from(canary) }).info('children')
  log.info(`connecting to postgres://u:${canary}@db/x`)
  t.notMatch(text(), canary)
  t.match(text(), 'postgres://***@host:5432/db')
  t.match(text(), '22P02')
  t.equal(text().split('\n').length, 13, 'every event is one line')
})

test('what helps is kept', async (t) => {
  const { log, text } = listen()
  log.child({ part: 'broker' }).warn({ device: 'd1', key: 7, count: 10n, at: new Date(0), ok: true }, 'connection refused')
  const event = JSON.parse(text()) as object
  t.match(event, { level: 'warn', part: 'broker', device: 'd1', key: 7, count: '10', at: '1970-01-01T00:00:00.000Z', ok: true, msg: 'connection refused' })
  t.match(event, { time: /^\d{4}-/ })
})

test('a line does not grow with what a device sends', async (t) => {
  const { log, text } = listen()
  const deep: Record<string, unknown> = {}
  let at = deep
  for (let i = 0; i < 1_000; i++) at = at['x'] = {} as Record<string, unknown>
  log.info({ long: 'x'.repeat(1_000_000), list: Array.from({ length: 100_000 }, () => 1), deep }, 'big')
  t.ok(text().length < 5_000)
})

test('readable lines carry no control characters of others', async (t) => {
  const { log, text } = listen(true)
  log.warn({ device: 'evil\u001b[2J\nfake line', port: 8883 }, 'connection refused')
  log.error({ err: new Error('broken\u001b[31m') }, 'failed')
  const plain = text().replaceAll(/\u001b\[\d+m(warn |error)\u001b\[0m/g, '$1') // eslint-disable-line no-control-regex
  t.notMatch(plain, '\u001b')
  t.match(plain, /\d\d:\d\d:\d\d warn {2}connection refused device="evil.*" port=8883\n/)
  t.match(plain, /Error broken/)
  t.equal(readableLine('no json\n', false), 'no json\n')
})
