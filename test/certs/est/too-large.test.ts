// A body that is larger than any signing request: the client is told so whatever it is still sending, and its connection ends in order; and
// one that never stops sending is cut off.
import { connect, type TLSSocket } from 'node:tls'
import { test } from 'tap'
import { startEst, type TestEst } from '../../fixtures/est.ts'

interface Ended { readonly text: string, readonly error: string | null, readonly ended: boolean }

async function dial ({ server, pki }: TestEst): Promise<{ socket: TLSSocket, over: Promise<Ended> }> {
  const socket = connect({ host: '127.0.0.1', port: server.address.port, servername: 'localhost', ca: pki.ca })
  const over = new Promise<Ended>((resolve) => {
    let [text, ended] = ['', false]
    let error: string | null = null
    socket.on('data', (chunk: Buffer) => { text += chunk.toString('latin1') })
    socket.on('end', () => { ended = true })
    socket.on('error', (fault: NodeJS.ErrnoException) => { error = fault.code ?? fault.message })
    socket.on('close', () => { resolve({ text, error, ended }) })
  })
  await new Promise<void>((resolve) => { socket.once('secureConnect', () => { resolve() }) })
  return { socket, over }
}

const head = (...lines: string[]): string => ['POST /.well-known/est/simpleenroll HTTP/1.1', 'host: localhost', 'content-type: application/pkcs10', ...lines, '', ''].join('\r\n')
const piece = Buffer.alloc(16_000, 0x41)
const chunk = Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
const pieces = 40

for (const [how, first, each, last] of [
  ['of a length that is told', head(`content-length: ${pieces * piece.length}`), piece, Buffer.alloc(0)],
  ['in chunks', head('transfer-encoding: chunked'), chunk, Buffer.from('0\r\n\r\n')]
] as const) {
  test(`a body too large, ${how}: 413, and an end in order [C7]`, async (t) => {
    const { socket, over } = await dial(await startEst(t))
    socket.write(first)
    for (let n = 0; n < pieces; n++) {
      await new Promise<void>((resolve) => { socket.write(each, () => { resolve() }) })
      await new Promise((resolve) => { setImmediate(resolve) }) // the server reads, and has answered long before the last
    }
    socket.write(last)
    const { text, error, ended } = await over
    t.equal(error, null)
    t.ok(ended)
    t.match(text, /^HTTP\/1\.1 413 [^]*connection: close[^]*\(too-large, request/i)
  })
}

test('who asks whether to send a body that is too large is told no at once', async (t) => {
  const { socket, over } = await dial(await startEst(t))
  socket.write(head('content-length: 20000', 'expect: 100-continue'))
  const { text, error, ended } = await over
  t.equal(error, null)
  t.ok(ended)
  t.match(text, /^HTTP\/1\.1 413 /)
})

test('a body without an end is answered, and cut off', async (t) => {
  const { socket, over } = await dial(await startEst(t))
  let sent = 0
  socket.write(head('transfer-encoding: chunked'))
  const more = (): void => {
    if (socket.destroyed) return
    sent += piece.length
    socket.write(chunk, more)
  }
  more()
  const { text } = await over
  t.match(text, /^HTTP\/1\.1 413 /)
  t.ok(sent < 20_000_000, `${sent} bytes`)
})
