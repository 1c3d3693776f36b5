// Where the devices of `pulsegate simulate` get their certificates from: the folder of an authority, or an EST server with tokens or birth
// certificates, as real devices do; with EST they also renew while they run.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { type Authority, openAuthority } from '../certs/authority.ts'
import { readTokenFile } from '../certs/token-file.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { createEstEnrolment, createEnrolment } from '../simulator/enrol.ts'
import { type FirstCredential, renewByEst } from '../simulator/enrol-est.ts'
import { CredentialStore } from '../simulator/enrol-store.ts'
import { type SimulatorOptions } from '../simulator/simulator.ts'

export interface IdentityOptions {
  readonly data: string
  readonly certs?: string
  readonly ca?: string
  readonly est?: string
  readonly tokenFile?: string
  readonly birth?: string
}

export function addEstOptions (command: Command): Command {
  return command
    .option('--est <url>', 'enrol and renew over HTTPS with this EST server (https://host:port) instead of --certs', estUrl)
    .option('--token-file <file>', 'with --est: tokens for the first certificates, as `pulsegate certs token --out` writes them')
    .option('--birth <directory>', 'with --est: the makers\' certificates, <device id>.key and <device id>.crt, for the first ones')
}

/** What startSimulator takes of it. Throws before anything is sent when there is nothing to enrol with. */
export async function identitiesOf (options: IdentityOptions, directory: string, signal: AbortSignal): Promise<Pick<SimulatorOptions, 'ca' | 'credentials' | 'renewal'>> {
  const certs = options.certs ?? join(options.data, 'certs')
  if (options.est === undefined) {
    const authority = await openIssuer(certs)
    return { ca: await readFile(options.ca ?? authority.paths.ca, 'utf8'), credentials: await createEnrolment({ directory, authority }) }
  }
  const caFile = options.ca ?? join(certs, 'ca.pem')
  const ca = await readFile(caFile, 'utf8').catch((cause: unknown) => {
    throw new PulsegateError('CERTS_INPUT_INVALID', `${caFile} cannot be read: name the CAs that server and broker are checked against with --ca`, { cause })
  })
  const server = { url: options.est, ca }
  return {
    ca,
    credentials: createEstEnrolment({ directory, server, first: await firstOf(options), signal }),
    renewal: { store: new CredentialStore(directory), renew: (id, current, abort) => renewByEst({ ...server, ca: current.caPem ?? ca }, id, current, abort) }
  }
}

async function firstOf ({ tokenFile, birth }: IdentityOptions): Promise<(id: string) => Promise<FirstCredential>> {
  if (tokenFile !== undefined) {
    const tokens = await readTokenFile(tokenFile)
    return async (id) => ({ token: tokens.take(id) })
  }
  return async (id) => {
    if (birth === undefined) throw new PulsegateError('CERTS_INPUT_INVALID', `device ${id} has no certificate yet: give --token-file or --birth for the first`)
    const [keyPem, certPem] = await Promise.all(['key', 'crt'].map((ending) => readFile(join(birth, `${id}.${ending}`), 'utf8').catch((cause: unknown) => {
      throw new PulsegateError('CERTS_INPUT_INVALID', `${join(birth, `${id}.${ending}`)} cannot be read`, { cause })
    })))
    return { birth: { keyPem: keyPem ?? '', certPem: certPem ?? '' } }
  }
}

/** The authority that the broker trusts; a new one would be of no use. */
async function openIssuer (directory: string): Promise<Authority> {
  try {
    return await openAuthority(directory)
  } catch (error) {
    if (!(error instanceof PulsegateError) || error.code !== 'CERTS_AUTHORITY_MISSING') throw error
    throw new PulsegateError('CERTS_AUTHORITY_MISSING', `there is no certificate authority in ${directory}: start \`pulsegate up\` first, or name the folder of the one that the broker trusts with --certs`, { cause: error })
  }
}

function estUrl (text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol === 'https:' && url.hostname !== '' && (url.pathname === '/' || url.pathname === '')) return text
  throw new InvalidArgumentError('Write https://host or https://host:port.')
}
