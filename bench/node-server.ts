// Starts one of the programs in servers/ as a Node process, on the server core unless it is the client.
import { fileURLToPath } from 'node:url'
import { Pinned, serverCore } from './pinned.ts'

export type NodeProgram = 'accept' | 'bare-tls' | 'broker' | 'ingest' | 'pulsegate' | 'revoking' | 'subscriber' | 'writer'

export interface RunningServer {
  readonly process: Pinned
  /** The port it said it listens on; 0 when it listens nowhere. */
  readonly port: number
}

/** The programs are compiled JavaScript: the bench runs from dist/. */
export function startNodeProgram (core: number, program: NodeProgram, argument: unknown, profile = ''): Pinned {
  const file = fileURLToPath(new URL(`./servers/${program}.js`, import.meta.url))
  const flags = profile === '' ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${program}.${Date.now()}.cpuprofile`]
  return new Pinned(core, process.execPath, [...flags, file, JSON.stringify(argument)])
}

/** `profile`: a directory for a CPU profile, '' for none. Resolves when the program has said `listening`. */
export async function startNodeServer (program: NodeProgram, argument: unknown, profile = ''): Promise<RunningServer> {
  const server = startNodeProgram(serverCore, program, argument, profile)
  const { port } = await server.until('listening')
  return { process: server, port: Number(port ?? 0) }
}
