// Rights against an independent model, property by property: whatever certificate, client id, state, will, topic, QoS and retain flag come
// together, the broker does what design part 4 says and nothing else. The model below is written from those rules alone; it shares
// no code with the broker. The broker is real, over real TLS; the victim whose name is tried keeps its one session throughout.
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { eventually, startTestBroker, type RawClient, type TestBroker } from '../fixtures/broker.ts'
import { type BadKind, type DeviceIdentity } from '../fixtures/pki.ts'

const uplink = ['telemetry', 'birth', 'result']
const states = ['pending', 'active', 'suspended', 'retired'] as const
const badKinds: readonly BadKind[] = ['foreignCa', 'selfSigned', 'expired', 'notYetValid', 'revoked', 'serverAuthOnly', 'noEku', 'twoUriSans', 'noUriSan']

interface Action { readonly action: 'publish' | 'subscribe', readonly topic: string, readonly qos: 0 | 1 | 2, readonly retain: boolean }
interface Will { readonly topic: string, readonly qos: 0 | 1 | 2, readonly retain: boolean }
interface Case {
  readonly certificate: 'good' | 'none' | BadKind
  readonly version: 'TLSv1.2' | 'TLSv1.3'
  readonly clientId: string
  readonly state: typeof states[number]
  readonly will: Will | null
  readonly actions: readonly Action[]
}

// ---- the model: design part 4, in so many words

const mayPublish = (id: string, { topic, qos, retain }: Will): boolean => !retain && qos < 2 && uplink.some((kind) => topic === `v1/${id}/${kind}`)
const maySubscribe = (id: string, { topic }: Action): boolean => topic === `v1/${id}/command`

/** `silence`: not one byte of MQTT; `refused`: a CONNACK that says no; `in`. */
function entry (one: Case, id: string): 'silence' | 'refused' | 'in' {
  if (one.certificate !== 'good') return 'silence'
  return one.clientId === id && one.state === 'active' && (one.will === null || mayPublish(id, one.will)) ? 'in' : 'refused'
}

// ---- what is tried: OWN, OTHER stand for the ids until the device is known

const id = fc.constantFrom('OWN', 'OWN', 'OWN', 'OTHER', 'UPPER', '+', '', randomUUID())
const level = fc.constantFrom(...uplink, 'command', 'Telemetry', '#', '+', '', 'status')
const shaped = fc.tuple(fc.constantFrom('v1', 'v1', 'v1', 'v1', 'V1', 'v2', '', '+', '$SYS', '$share/g/v1'), id, level).map((parts) => parts.join('/'))
const own = level.map((kind) => `v1/OWN/${kind}`)
const twisted = fc.tuple(own, fc.constantFrom('/', '/x', ' ', '\u0000', '#', '/#', '\ufeff', 'é')).map(([topic, tail]) => topic + tail)
const topic = fc.oneof({ weight: 5, arbitrary: own }, { weight: 4, arbitrary: shaped }, { weight: 1, arbitrary: twisted }, { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 30 }) }, { weight: 1, arbitrary: fc.constantFrom('#', '+', '$SYS/#', '$SYS/broker/uptime', '/') })
const qos = fc.constantFrom<0 | 1 | 2>(0, 1, 1, 1, 2)
const retain = fc.constantFrom(false, false, false, true)
const entered = {
  certificate: fc.constant('good' as const),
  version: fc.constantFrom('TLSv1.2' as const, 'TLSv1.3' as const),
  clientId: fc.constant('OWN'),
  state: fc.constant('active' as const),
  will: fc.constant(null)
}
const anyhow = {
  certificate: fc.oneof({ weight: 5, arbitrary: fc.constant('good' as const) }, { weight: 1, arbitrary: fc.constantFrom<'none' | BadKind>('none', ...badKinds) }),
  version: fc.constantFrom('TLSv1.2' as const, 'TLSv1.3' as const),
  clientId: fc.constantFrom('OWN', 'OWN', 'OWN', 'OWN', 'OTHER', 'UPPER', '', 'x'),
  state: fc.constantFrom('active' as const, 'active' as const, 'active' as const, ...states),
  will: fc.option(fc.record({ topic: topic.filter((text) => text !== ''), qos, retain }), { freq: 1 })
}
const good: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ action: fc.constant('publish' as const), topic: fc.constantFrom(...uplink.map((kind) => `v1/OWN/${kind}`)), qos: fc.constantFrom<0 | 1 | 2>(0, 1), retain: fc.constant(false) }) },
  { weight: 1, arbitrary: fc.record({ action: fc.constant('subscribe' as const), topic: fc.constant('v1/OWN/command'), qos, retain: fc.constant(false) }) })
const any = fc.record({ action: fc.constantFrom('publish' as const, 'subscribe' as const), topic, qos, retain })
const actions = fc.array(fc.oneof(good, any), { minLength: 1, maxLength: 5 })
// half of them come in for sure, or most would be about the door only
const cases: fc.Arbitrary<Case> = fc.oneof(fc.record({ ...entered, actions }), fc.record({ ...anyhow, actions }))

function text (value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
}

/** Byte by byte, so that a library does not refuse what is to be tried. */
function packet (first: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(body.length < 128 ? [first, body.length] : [first, (body.length & 127) | 128, body.length >> 7]), body])
}
const packetId = (n: number): Buffer => Buffer.from([n >> 8, n & 255])
const publish = (n: number, { topic, qos, retain }: Will, payload: string): Buffer => packet(0x30 | qos << 1 | Number(retain), text(topic), qos > 0 ? packetId(n) : Buffer.alloc(0), Buffer.from(payload))
const subscribe = (n: number, { topic, qos }: Action): Buffer => packet(0x82, packetId(n), text(topic), Buffer.from([qos]))

class Trial {
  readonly seen = new Map<string, number>()
  readonly #house: TestBroker
  readonly #victim: string
  readonly #devices: Readonly<Record<typeof states[number] | 'willing', DeviceIdentity>>
  #open: RawClient | undefined
  #serial = 0
  #packetId = 0

  constructor (house: TestBroker, victim: string, devices: Trial['devices']) {
    this.#house = house
    this.#victim = victim
    this.#devices = devices
  }

  get devices (): Readonly<Record<typeof states[number] | 'willing', DeviceIdentity>> { return this.#devices }

  async try (raw: Case): Promise<void> {
    const { certificate } = raw
    const identity = certificate === 'none' ? undefined : certificate === 'good' ? this.#devices[raw.will !== null && raw.state === 'active' ? 'willing' : raw.state] : this.#house.pki.bad[certificate]
    const own = identity?.id ?? randomUUID()
    const name = (template: string): string => template.replaceAll('OWN', own).replaceAll('OTHER', this.#victim).replaceAll('UPPER', own.toUpperCase())
    const one: Case = { ...raw, clientId: name(raw.clientId), will: raw.will && { ...raw.will, topic: name(raw.will.topic) }, actions: raw.actions.map((action) => ({ ...action, topic: name(action.topic) })) }
    const wanted = entry(one, own)
    this.#note(wanted)
    if (wanted !== 'in') return await this.#outside(one, identity, wanted)
    if (one.will === null && this.#open?.isClosed === false) return await this.#inside(one, this.#open)
    const client = await this.#connect(one, identity)
    if ((await client.next('connack')).returnCode !== 0) throw new Error('was refused and may come in')
    if (one.will === null) this.#open = client
    await this.#inside(one, client)
    if (one.will !== null) await this.#leave(client)
  }

  async #connect ({ version, clientId, will }: Case, identity: DeviceIdentity | undefined): Promise<RawClient> {
    const client = await this.#house.tls(identity, { minVersion: version, maxVersion: version })
    if (!client.isClosed) client.send(client.connect({ clientId, ...(will !== null && { will: { ...will, payload: Buffer.from('will') } }) }))
    return client
  }

  async #outside (one: Case, identity: DeviceIdentity | undefined, wanted: 'silence' | 'refused'): Promise<void> {
    const before = this.#house.queue.all.length
    const client = await this.#connect(one, identity)
    if (!client.isClosed) client.send(...one.actions.map((action) => action.action === 'publish' ? publish(1, action, 'x') : subscribe(1, action)))
    await client.closed
    const said = client.packets.map((answer) => answer.cmd === 'connack' && answer.returnCode !== 0 ? 'no' : answer.cmd)
    if (said.join() !== (wanted === 'silence' ? '' : 'no')) throw new Error(`${wanted} wanted, heard: ${said.join()}`)
    if (this.#house.queue.all.length !== before) throw new Error('a message of a refused client was taken')
  }

  async #inside (one: Case, client: RawClient): Promise<void> {
    for (const action of one.actions) {
      const n = this.#packetId = this.#packetId % 60_000 + 1
      if (action.action === 'subscribe') {
        if (!await this.#subscribes(client, n, action)) return
      } else if (!await this.#publishes(client, n, action)) return
    }
  }

  /** False: the connection has ended with it, as it should. */
  async #publishes (client: RawClient, n: number, action: Action): Promise<boolean> {
    const payload = `message ${++this.#serial}`
    const taken = () => this.#house.queue.all.filter((envelope) => envelope.payload.toString() === payload)
    client.send(publish(n, action, payload))
    const may = mayPublish(client.id, action)
    this.#note(may ? 'publish taken' : 'publish refused')
    if (!may) {
      await client.closed
      if (taken().length > 0 || client.pubacks.includes(n)) throw new Error('a publish that may not be was taken')
      return false
    }
    if (action.qos === 1) await eventually(() => client.pubacks.includes(n) || client.isClosed, 'PUBACK')
    await eventually(() => taken().length === 1 || client.isClosed, 'the message')
    const [envelope] = taken()
    if (client.isClosed || envelope?.publisher !== client.id || !action.topic.endsWith(`/${envelope.kind}`)) throw new Error('a publish that may be was not taken as it is')
    return true
  }

  /** A filter that is not even valid may end the connection, but never be granted. */
  async #subscribes (client: RawClient, n: number, action: Action): Promise<boolean> {
    client.send(subscribe(n, action))
    const answer = () => client.packets.find((each) => each.cmd === 'suback' && each.messageId === n)
    await eventually(() => answer() !== undefined || client.isClosed, 'SUBACK')
    const given = answer()
    const granted = given?.cmd === 'suback' && (given.granted[0] as number) < 128
    const may = maySubscribe(client.id, action)
    this.#note(may ? 'subscribe granted' : 'subscribe refused')
    if (granted !== may) throw new Error(`subscription ${granted ? 'granted' : 'refused'} against the rules`)
    return !client.isClosed
  }

  /** With DISCONNECT: no will is spoken. */
  async #leave (client: RawClient): Promise<void> {
    if (!client.isClosed) client.send(packet(0xe0))
    await client.closed
  }

  #note (what: string): void { this.seen.set(what, (this.seen.get(what) ?? 0) + 1) }
}

const kinds = ['silence', 'refused', 'in', 'publish taken', 'publish refused', 'subscribe granted', 'subscribe refused']

test('no combination of certificate, client id, state, will, topic, action, QoS and retain is treated otherwise than the rules say [C1] [C2] [C3]', { timeout: 300_000 }, async (t) => {
  // what would slow down or keep out whoever misbehaves all day long is not under test here
  const house = await startTestBroker(t, { limits: { flappingSessions: 0, authenticationFailures: 0 } })
  const { pki, registry, broker } = house
  const [victimIdentity, willing, pending, active, suspended, retired] = await pki.devices(Array.from({ length: 6 }, () => randomUUID())) as [DeviceIdentity, DeviceIdentity, DeviceIdentity, DeviceIdentity, DeviceIdentity, DeviceIdentity]
  for (const [state, { id }] of Object.entries({ pending, active, suspended, retired })) registry.states.set(id, state as typeof states[number])
  const victim = await house.client(victimIdentity)
  victim.send(subscribe(1, { action: 'subscribe', topic: `v1/${victim.id}/command`, qos: 1, retain: false }))
  await victim.next('suback')
  const trial = new Trial(house, victim.id, { pending, active, suspended, retired, willing })
  await fc.assert(fc.asyncProperty(cases, (one) => trial.try(one)), { numRuns: 500, endOnFailure: true })
  for (const kind of kinds) {
    t.ok((trial.seen.get(kind) ?? 0) >= 15, `${kind}: ${trial.seen.get(kind) ?? 0} times`)
  }
  victim.send(publish(7, { topic: `v1/${victim.id}/telemetry`, qos: 1, retain: false }, 'still me'))
  t.strictSame(await victim.acked(1), [7], 'the session of the device that was impersonated lives on')
  t.strictSame(victim.packets.map(({ cmd }) => cmd), ['connack', 'suback', 'puback'], 'and heard nothing that was meant for nobody')
  t.ok(house.queue.all.every(({ payload, publisher }) => payload.toString() !== 'will' || publisher === willing.id), 'wills are those of the one device that had good ones and was thrown out')
  t.equal(house.queue.all.filter(({ publisher }) => publisher === victim.id).length, 1, 'nobody spoke for it')
  t.ok(broker.stats().sessions >= 1)
})
