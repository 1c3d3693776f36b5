// Starts one of the programs in servers/ as a Node process on the server core.
import { fileURLToPath } from 'node:url'
import { Pinned, serverCore } from './pinned.ts'

export type ServerProgram = 'accept' | 'pulsegate' | 'subscriber'

export interface RunningServer {
  readonly process: Pinned
  /** The port it said it listens on; 0 when it listens nowhere. */
  readonly port: number
}

/** `profile`: a directory for a CPU profile, '' for none. Resolves when the program has said `listening`. */
export async function startNodeServer (program: ServerProgram, argument: unknown, profile = ''): Promise<RunningServer> {
  const file = fileURLToPath(new URL(`./servers/${program}.js`, import.meta.url)) // the bench runs from dist/
  const flags = profile === '' ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const server = new Pinned(serverCore, process.execPath, [...flags, file, JSON.stringify(argument)])
  const { port } = await server.until('listening')
  return { process: server, port: Number(port ?? 0) }
}
