// Bodies that are too long, or that nobody reads: the answer arrives, and the connection ends in order. Real TLS, by hand.
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { connect as tlsConnect } from 'node:tls'
import { test } from 'tap'
import { routesNoting, startAdminHouse } from '../fixtures/admin.ts'

test('a body that is too long gets 413 and the connection an orderly end, and so does one that nobody reads [C7] [C20]', async (t) => {
  const { person, server, pki, events } = await startAdminHouse(t, routesNoting([]))
  const alice = await person('alice', 'operator')
  /** Sends the head and all of the body, whatever is answered meanwhile; gives the answer and how the connection ended. */
  const send = async (path: string, length: number, headers: Record<string, string | number>): Promise<{ text: string, error: string | null }> => {
    const socket = tlsConnect({ ...server.address, ca: pki.ca, key: alice.key, cert: alice.cert })
    await once(socket, 'secureConnect')
    let error: string | null = null
    socket.on('error', (fault: NodeJS.ErrnoException) => { error = fault.code ?? 'unknown' })
    const said = text(socket).catch(() => '')
    const chunked = headers['transfer-encoding'] === 'chunked'
    socket.write(`POST ${path} HTTP/1.1\r\nhost: admin\r\ncontent-type: application/json\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
    for (let left = length; left > 0; left -= 10_000) {
      socket.write(chunked ? `2710\r\n${'a'.repeat(10_000)}\r\n` : 'a'.repeat(10_000))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    if (chunked) socket.write('0\r\n\r\n')
    return { text: await said, error }
  }
  for (const [name, path, status, headers] of [
    ['announced', '/v1/devices-change/x1', 413, { 'content-length': 300_000 }],
    ['in chunks', '/v1/devices-change/x1', 413, { 'transfer-encoding': 'chunked' }],
    ['without a right', '/v1/audit-read/x1', 403, { 'content-length': 300_000 }]
  ] as const) {
    const reply = await send(path, 300_000, headers)
    t.match(reply.text, new RegExp(`^HTTP/1.1 ${status} `), name)
    t.match(reply.text, /connection: close/i)
    t.equal(reply.error, null, `${name}: no reset`)
  }
  t.match(events.filter(({ reason }) => reason === 'REQUEST'), [{ outcome: 'minor-failure' }, { outcome: 'minor-failure' }])
  const endless = await send('/v1/devices-change/x1', 4_000_000, { 'content-length': 100_000_000 })
  t.ok(endless.error !== null || endless.text !== '', 'who does not stop is cut off')
})
