import { test } from 'tap'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { openProxy } from '../../../proof/parts/proxy.ts'
import { sleep } from '../../../runtime/retry.ts'
import { lane } from './sockets.ts'

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

test('megabytes go through both ways, byte by byte, and each end is passed on by itself', async (t) => {
  const { proxy, open } = await lane(t)
  const { client, server } = await open()
  const up = randomBytes(6_000_000)
  const down = randomBytes(5_000_000)
  client.socket.end(up)
  server.socket.write(down)
  await server.until(({ ended }) => ended !== null)
  await client.until(({ received }) => received.length >= down.length)
  t.equal(digest(server.received), digest(up))
  t.equal(digest(client.received), digest(down))
  t.equal(server.ended, 'fin', 'the client has ended')
  t.equal(client.ended, null, 'the upstream has not')
  server.socket.end('last words')
  t.equal(await client.end(), 'fin')
  t.equal(client.received.subarray(down.length).toString(), 'last words')
  while (proxy.stats().connections > 0) await sleep(5)
  t.match(proxy.stats(), { connections: 0, accepted: 1, bytesUp: up.length, bytesDown: down.length + 10, bufferedBytes: 0 })
})

for (const [direction, options] of [['up', { serverReads: false }], ['down', { clientReads: false }]] as const) {
  test(`a reader that stalls stalls the writer, ${direction}: nothing piles up here, and all arrives when it reads again`, async (t) => {
    const { proxy, open } = await lane(t)
    const { client, server } = await open(options)
    const [writer, reader] = direction === 'up' ? [client, server] : [server, client]
    const sent = createHash('sha256')
    let written = 0
    const fill = () => {
      for (let filled = 100_000; ; filled += 100_000) {
        const chunk = randomBytes(100_000)
        sent.update(chunk)
        if (!writer.socket.write(chunk)) return filled
      }
    }
    // far more than all buffers of the kernel take together, unless the writer is held back before
    let peak = 0
    const most = 200_000_000
    for (let still = 0; still < 20 && written < most;) {
      if (!writer.socket.writableNeedDrain) written += fill()
      const drained = await Promise.race([once(writer.socket, 'drain').then(() => true), sleep(25).then(() => false)])
      still = drained ? 0 : still + 1
      peak = Math.max(peak, proxy.stats().bufferedBytes)
    }
    t.ok(written < most, 'the writer was held back')
    t.ok(peak <= 2 * 1_048_576, `${peak} bytes held at most`)

    const read = createHash('sha256')
    let count = 0
    reader.socket.on('data', (bytes: Buffer) => { read.update(bytes); count += bytes.length })
    writer.socket.end()
    await once(reader.socket, 'end')
    t.equal(count, written)
    t.equal(read.digest('hex'), sent.digest('hex'))
  })
}

test('the upstream may be chosen at each connection, and one that is not there is a reset', async (t) => {
  const first = await lane(t)
  let port = first.proxy.port
  const proxy = await openProxy({ name: 'moving', upstream: () => ({ host: '127.0.0.1', port }) })
  t.teardown(() => proxy.close())
  const attempt = async () => {
    const socket = connect(proxy.port, '127.0.0.1')
    const ended = new Promise<string>((resolve) => {
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
      socket.on('close', () => resolve('closed'))
    })
    await Promise.race([ended, once(socket, 'connect')])
    return { socket, ended }
  }
  const through = await attempt()
  t.teardown(() => through.socket.destroy())
  while (first.proxy.stats().connections < 1) await sleep(5)
  port = 1 // nobody listens there
  t.equal(await (await attempt()).ended, 'ECONNRESET')
})
