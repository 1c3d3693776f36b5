// A real set-up of separate processes on this machine: PostgreSQL, Redis, brokers, workers, a TCP proxy between each pair that
// speaks, and the simulated devices in this process. Takes what a scenario wants to be different; gives handles to hurt and to ask;
// promises that `close` leaves no process behind, also when starting failed half-way.
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ensureDevelopmentAuthority } from '../certs/development.ts'
import { type Database, openDatabase } from '../ingest/database.ts'
import { ensureMasterKey } from '../ingest/keys/master-key-file.ts'
import { migrate } from '../ingest/migrate.ts'
import { Devices } from './devices.ts'
import { brokerEnvironment, through, workerEnvironment } from './environment.ts'
import { Keeper } from './keeper.ts'
import { brokerNames, linkName, workerNames } from './names.ts'
import { type ProofOptions } from './options.ts'
import { type Clock, openClock } from './parts/clock.ts'
import { type Part } from './parts/part.ts'
import { choosePort } from './parts/port.ts'
import { postgresServer, type PostgresPart } from './parts/postgres-server.ts'
import { program, type Program } from './parts/program.ts'
import { openProxy, type Proxy } from './parts/proxy.ts'
import { redisServer, type RedisPart } from './parts/redis-server.ts'
import { smallDisk, type SmallDisk } from './parts/small-disk.ts'
import { type SetupChoices } from './scenario.ts'

export interface Setup {
  readonly brokers: readonly Program[]
  readonly workers: readonly Program[]
  /** Brokers and workers. */
  readonly programs: readonly Program[]
  readonly redis: RedisPart
  readonly postgres: PostgresPart
  /** Everything that can be killed or frozen. */
  readonly parts: readonly Part[]
  readonly links: readonly Proxy[]
  /** By name; RangeError when there is none. */
  part (name: string): Part
  program (name: string): Program
  link (name: string): Proxy
  readonly devices: Devices
  readonly keeper: Keeper
  /** As the owner, past the proxies. */
  readonly database: Database
  /** Where devices of `broker` connect. */
  deviceUrl (broker: string): string
  /** Of processes whose wall clock can be shifted; null unless the scenario chose it. */
  readonly clock: Clock | null
  readonly disk: SmallDisk | null
  /** The ends of the logs of brokers and workers, for a person who has to find out. */
  lastWords (): Promise<string>
  close (): Promise<void>
}

type Closers = Array<() => Promise<unknown>>

export async function startSetup (choices: SetupChoices, options: ProofOptions, directory: string): Promise<Setup> {
  const closers: Closers = []
  const close = async (): Promise<void> => {
    // the last opened first, each even when one before it fails
    for (let next = closers.pop(); next; next = closers.pop()) await next().catch((err: unknown) => { options.log.warn({ err }, 'not closed cleanly') })
  }
  try {
    return await start(choices, options, directory, closers, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function start (choices: SetupChoices, options: ProofOptions, directory: string, closers: Closers, close: () => Promise<void>): Promise<Setup> {
  const stores = await startStores(choices, options, directory, closers)
  const { redis, postgres } = stores
  const { paths, ...authority } = await ensureDevelopmentAuthority(join(options.directory, 'certs'), ['localhost', '127.0.0.1'])
  await migrate(postgres.url)
  options.log.debug('database migrated')
  const database = openDatabase(postgres.url, { applicationName: 'pulsegate proof', poolSize: 2, statementTimeoutMs: 120_000 })
  closers.push(() => database.close())

  const clock = choices.shiftedClocks === true ? await openClock(directory) : null
  const links = new Map<string, Proxy>()
  const link = async (from: string, to: string, port: number): Promise<Proxy> => {
    const proxy = await openProxy({ name: linkName(from, to), upstream: { host: '127.0.0.1', port } })
    closers.push(() => proxy.close())
    links.set(proxy.name, proxy)
    return proxy
  }
  const processes = await defineProcesses({ choices, options, directory, redis, postgres, certs: paths.directory, clock, link })
  const { brokers, workers } = processes
  const programs = [...brokers, ...workers]
  closers.push(() => end(programs, options.signal))
  await Promise.all(programs.map((each) => each.start()))
  options.log.debug('brokers and workers started')

  const devices = await Devices.open({ directory, enrolled: join(options.directory, 'enrolled'), authority: { paths, ...authority }, database, seed: options.seed, rate: options.rate })
  closers.push(() => devices.close())
  const deviceUrl = (broker: string): string => `mqtts://127.0.0.1:${find(links, linkName('devices', broker)).port}`
  for (const { name } of brokers) await devices.add(deviceUrl(name), { devices: Math.max(1, Math.round(options.fleet / brokers.length)) })

  const parts: Part[] = [...programs, redis, postgres]
  const keeper = new Keeper(parts)
  closers.push(() => keeper.close())
  const byName = new Map(parts.map((part) => [part.name, part]))
  return {
    brokers,
    workers,
    programs,
    redis,
    postgres,
    parts,
    links: [...links.values()],
    part: (name) => find(byName, name),
    program: (name) => find(new Map(programs.map((each) => [each.name, each])), name),
    link: (name) => find(links, name),
    devices,
    keeper,
    database,
    deviceUrl,
    clock,
    disk: stores.disk,
    lastWords: () => lastWordsOf(programs),
    close
  }
}

async function startStores (choices: SetupChoices, { redisServer: redisProgram, pgBin, log, signal }: ProofOptions, directory: string, closers: Closers): Promise<{ redis: RedisPart, postgres: PostgresPart, disk: SmallDisk | null }> {
  const folders = { redis: join(directory, 'redis'), postgres: join(directory, 'postgres') }
  await mkdir(directory, { recursive: true, mode: 0o755 })
  let disk: SmallDisk | null = null
  if (choices.smallDisk !== undefined) {
    const { part, megabytes } = choices.smallDisk
    const made = disk = await smallDisk({ directory: folders[part], megabytes })
    closers.push(() => made.close())
  }
  const redis = redisServer({ directory: folders.redis, program: redisProgram, settings: choices.redisSettings ?? {}, log })
  const postgres = postgresServer({ directory: folders.postgres, pgBin, settings: {}, log })
  closers.push(() => end([redis, postgres], signal))
  await Promise.all([redis.start(), postgres.start()])
  log.debug('redis and postgres started')
  return { redis, postgres, disk }
}

/** In order; at once when a person waits for the end. */
async function end (parts: readonly Part[], signal: AbortSignal): Promise<void> {
  await Promise.all(parts.map((part) => signal.aborted ? part.kill() : part.stop()))
}

interface Definition {
  readonly choices: SetupChoices
  readonly options: ProofOptions
  readonly directory: string
  readonly redis: RedisPart
  readonly postgres: PostgresPart
  readonly certs: string
  readonly clock: Clock | null
  readonly link: (from: string, to: string, port: number) => Promise<Proxy>
}

async function defineProcesses ({ choices, options, directory, redis, postgres, certs, clock, link }: Definition): Promise<{ brokers: Program[], workers: Program[] }> {
  const { mains, log, leaseMs, partitions } = options
  const masterKey = resolve(directory, 'keys', 'master.key')
  ensureMasterKey(masterKey).keys.close()
  const shared = { certs, masterKey, partitions, leaseMs, allowWeakDurability: choices.allowWeakDurability === true }
  const addressesOf = async (name: string) => ({
    redisUrl: through(redis.url, (await link(name, 'redis', redis.port)).port),
    databaseUrl: through(postgres.url, (await link(name, 'postgres', postgres.port)).port),
    healthPort: choosePort()
  })
  const made = (name: string, main: string, command: string, env: Record<string, string>, healthPort: number): Program => program({
    name, main, args: [command], env: { ...env, ...clock?.env }, nodeArgs: clock?.nodeArgs ?? [], health: { host: '127.0.0.1', port: healthPort }, directory: join(directory, name), log
  })
  const brokers: Program[] = []
  for (const name of brokerNames(options.brokers)) {
    const addresses = { ...await addressesOf(name), mqttPort: choosePort() }
    await link('devices', name, addresses.mqttPort)
    brokers.push(made(name, choices.brokerProgram === 'control' ? mains.control : mains.pulsegate, 'broker', brokerEnvironment(addresses, shared), addresses.healthPort))
  }
  const workers: Program[] = []
  for (const name of workerNames(options.workers)) {
    const addresses = await addressesOf(name)
    workers.push(made(name, mains.pulsegate, 'ingest', { ...workerEnvironment(addresses, shared), ...choices.workerEnv }, addresses.healthPort))
  }
  return { brokers, workers }
}

async function lastWordsOf (programs: readonly Program[]): Promise<string> {
  const all = await Promise.all(programs.map(async (each) => ({ name: each.name, lines: await each.logTail(5) })))
  return all.map(({ name, lines }) => `\n${name} said last:\n${lines}`).join('')
}

function find<T> (all: ReadonlyMap<string, T>, name: string): T {
  const found = all.get(name)
  if (found === undefined) throw new RangeError(`no such part of the set-up: ${name}; there are ${[...all.keys()].join(', ')}`)
  return found
}
