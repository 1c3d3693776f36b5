// What we rely on in Aedes, held against Aedes itself, without a broker of ours around it. When one of these fails after an
// update, the front or the control plane has lost its ground: read broker/control.ts and broker/aedes-internals.ts.
import { Duplex } from 'node:stream'
import { once } from 'node:events'
import { Aedes, type AedesOptions, type Client } from 'aedes'
import { generate, parser, type Packet } from 'mqtt-packet'
import { test, type Test } from 'tap'
import { internals } from '../../broker/aedes-internals.ts'

/** The end that Aedes holds: a bare Duplex, as the front is one. */
class Line extends Duplex {
  readonly packets: Packet[] = []
  readonly #parse = parser({ protocolVersion: 4 })
  destroyedWith: Error | null | undefined

  constructor () {
    super()
    this.#parse.on('packet', (packet: Packet) => { this.packets.push(packet) })
  }

  override _read (): void {}

  override _write (chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#parse.parse(chunk)
    done()
  }

  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    this.destroyedWith = error
    done(null)
  }

  say (packet: Packet): void { this.push(generate(packet)) }

  async until (cmd: Packet['cmd']): Promise<Packet> {
    for (let i = 0; i < 2_000; i++) {
      const found = this.packets.find((packet) => packet.cmd === cmd)
      if (found !== undefined) return found
      await new Promise((resolve) => { setImmediate(resolve) })
    }
    throw new Error(`no ${cmd}`)
  }
}

const hello = { cmd: 'connect', clientId: 'one', keepalive: 30, clean: true, protocolId: 'MQTT', protocolVersion: 4 } as const

async function startAedes (t: Test, options: AedesOptions = {}): Promise<Aedes> {
  const aedes = new Aedes(options)
  await aedes.listen()
  t.teardown(async () => { await new Promise<void>((resolve) => { aedes.close(resolve) }) })
  return aedes
}

test('handle takes any Duplex and hangs its client on it', async (t) => {
  const aedes = await startAedes(t)
  const line = new Line()
  const client = aedes.handle(line)
  t.equal(client.conn, line)
  line.say(hello)
  t.match(await line.until('connack'), { returnCode: 0 })
  line.destroy()
})

test('preConnect may set the keepalive to 0, and then Aedes keeps no time', async (t) => {
  const aedes = await startAedes(t, {
    preConnect: (_client, packet, done) => {
      t.equal(packet.keepalive, 30)
      packet.keepalive = 0
      done(null, true)
    }
  })
  const line = new Line()
  const client = aedes.handle(line)
  line.say(hello)
  await line.until('connack')
  t.equal((client as unknown as { _keepaliveTimer: unknown })._keepaliveTimer, null)
  line.destroy()
})

test('an error of authenticate with a returnCode becomes that CONNACK, written before the stream is destroyed', async (t) => {
  const aedes = await startAedes(t, { authenticate: (_client, _name, _word, done) => { done(Object.assign(new Error('no'), { returnCode: 3 }), false) } })
  const line = new Line()
  aedes.handle(line)
  line.say(hello)
  await once(line, 'close')
  t.match(line.packets, [{ cmd: 'connack', returnCode: 3 }])
  t.equal(line.destroyedWith, null, 'and without an error, which the front would take for malformed bytes')
})

test('MQTT 5 is answered with CONNACK 1 and closed, after preConnect has seen it', async (t) => {
  let seen = 0
  const aedes = await startAedes(t, {
    preConnect: (_client, packet, done) => {
      seen = packet.protocolVersion ?? 0
      done(null, true)
    }
  })
  const line = new Line()
  aedes.handle(line)
  line.say({ ...hello, protocolVersion: 5 })
  await once(line, 'close')
  t.equal(seen, 5)
  t.match(line.packets, [{ cmd: 'connack', returnCode: 1 }])
})

test('connackSent comes after CONNACK was written, and carries packet and client', async (t) => {
  const aedes = await startAedes(t)
  const line = new Line()
  const client = aedes.handle(line)
  const sent = once(aedes, 'connackSent') as Promise<[Packet, Client]>
  line.say(hello)
  const [packet, whose] = await sent
  t.match(packet, { returnCode: 0 })
  t.equal(whose, client)
  t.equal(line.packets[0]?.cmd, 'connack')
  line.destroy()
})

test('client and clientDisconnect frame a session, and DISCONNECT destroys the stream without an error', async (t) => {
  const aedes = await startAedes(t)
  const line = new Line()
  const client = aedes.handle(line)
  const events: string[] = []
  aedes.on('client', (whose) => { events.push(`client ${whose === client}`) })
  const over = once(aedes, 'clientDisconnect')
  line.say(hello)
  await line.until('connack')
  line.say({ cmd: 'disconnect' })
  await over
  t.strictSame(events, ['client true'])
  t.equal(line.destroyedWith, null)
})

test('a will comes to authorizePublish without cmd; an error drops it; after DISCONNECT it does not come; close() would speak it', async (t) => {
  const asked: Array<{ cmd?: string, topic: string }> = []
  const aedes = await startAedes(t, {
    authorizePublish: (_client, packet, done) => {
      asked.push(packet)
      done(new Error('no'))
    }
  })
  let published = 0
  aedes.on('publish', ({ topic }) => { if (topic === 'will') published++ })
  const connectWithWill = async (clientId: string): Promise<Line> => {
    const line = new Line()
    aedes.handle(line)
    line.say({ ...hello, clientId, will: { topic: 'will', payload: Buffer.from('bye'), qos: 1, retain: false } })
    await line.until('connack')
    return line
  }
  const lost = await connectWithWill('lost')
  const lostIsGone = once(aedes, 'clientDisconnect')
  lost.destroy()
  await lostIsGone
  t.match(asked, [{ topic: 'will' }])
  t.equal(asked[0]?.cmd, undefined)
  const polite = await connectWithWill('polite')
  const politeIsGone = once(aedes, 'clientDisconnect')
  polite.say({ cmd: 'disconnect' })
  await politeIsGone
  t.equal(asked.length, 1)
  await connectWithWill('still there')
  await new Promise<void>((resolve) => { aedes.close(resolve) })
  t.equal(asked.length, 2, 'which is why the broker refuses wills while it drains')
  t.equal(published, 0)
})

test('a filter answered with null gets 0x80, and without our filter it would be stored beside a granted one', async (t) => {
  const options: AedesOptions = { authorizeSubscribe: (_client, subscription, done) => { done(null, subscription.topic === 'mine' ? subscription : null) } }
  for (const filtered of [false, true]) {
    const aedes = await startAedes(t, options)
    if (filtered) internals.filterStoredSubscriptions(aedes, (_id, topic) => topic === 'mine')
    const line = new Line()
    aedes.handle(line)
    line.say({ ...hello, clean: false })
    await line.until('connack')
    line.say({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'mine', qos: 1 }, { topic: 'theirs', qos: 1 }] })
    t.match(await line.until('suback'), { granted: [1, 128] })
    t.equal(await internals.subscribed(aedes, 'one', 'mine'), true)
    const gone = once(aedes, 'clientDisconnect')
    line.destroy()
    await gone
    t.equal(await internals.subscribed(aedes, 'one', 'mine'), true, 'the session waits')
    t.equal(await internals.subscribed(aedes, 'one', 'theirs'), !filtered)
    await new Promise<void>((resolve, reject) => { aedes.publish({ cmd: 'publish', topic: 'mine', payload: 'x', qos: 1, retain: false, dup: false }, (error) => error ? reject(error) : resolve()) })
    t.equal(await internals.waitingCommands(aedes, 'one', 10), 1)
    t.equal(await internals.waitingCommands(aedes, 'two', 10), 0)
  }
})

test('authorizeForward answered with null keeps a message back', async (t) => {
  const aedes = await startAedes(t, { authorizeForward: (_client, packet) => packet.topic === 'mine' ? packet : null })
  const line = new Line()
  aedes.handle(line)
  line.say(hello)
  await line.until('connack')
  line.say({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 1 }] })
  await line.until('suback')
  for (const topic of ['theirs', 'mine']) {
    await new Promise<void>((resolve, reject) => { aedes.publish({ cmd: 'publish', topic, payload: 'x', qos: 1, retain: false, dup: false }, (error) => error ? reject(error) : resolve()) })
  }
  t.match(await line.until('publish'), { topic: 'mine', qos: 1 })
  line.destroy()
})

test('a client can be taken off the list', async (t) => {
  const aedes = await startAedes(t)
  const line = new Line()
  const client = aedes.handle(line)
  line.say(hello)
  await line.until('connack')
  const gone = once(aedes, 'clientDisconnect')
  internals.unregister(aedes, client)
  t.equal((await gone)[0], client)
  t.equal(await internals.subscribed(aedes, 'one', 'x'), false)
  line.destroy()
})
