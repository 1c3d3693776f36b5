// `pulsegate certs est`: enrolment over HTTPS as a process of its own, on the machine that holds the issuing key.
import { Command, Option } from 'commander'
import { openAuthority } from '../certs/authority.ts'
import { ensureDevelopmentAuthority } from '../certs/development.ts'
import { readPassphrase } from '../runtime/passphrase.ts'
import { type Config } from '../runtime/settings.ts'
import { wholeNumber } from './arguments.ts'
import { addSettings, configOf } from './options.ts'
import { openOne } from './parts.ts'
import { serveEst } from './serve-est.ts'
import { runServer, serverSettings } from './server-process.ts'

const settings = ['certsPassphraseFile', 'databaseUrl', 'serverNames', 'estHost', 'estPort', 'deviceLifeMs', ...serverSettings] as const
type EstConfig = Config<typeof settings[number]>

interface Flags { readonly dir: string, readonly host?: string, readonly port?: number }

const help = `
It answers /.well-known/est/cacerts, /csrattrs, /simpleenroll and /simplereenroll (RFC 7030) with the server certificate of
\`pulsegate certs server\`, renewed in time when --server-names says for which names. First enrolment takes a token of
\`pulsegate certs token\` or a birth certificate of a maker whose CA lies in makers/*.pem; renewal the device's current certificate.
With a database (DATABASE_URL) a retired device is refused. SIGTERM lets requests under way end.

Examples:
  pulsegate certs est --dir /etc/pulsegate/certs --host 0.0.0.0 --server-names gate.hospital.example
  pulsegate certs est --port 8443 --device-life 14d --health-port 9466
More in docs/enrolment.md.`

export function estCommand (): Command {
  const command = new Command('est').description('serve enrolment and renewal over HTTPS (EST, RFC 7030)')
    .addOption(new Option('--dir <directory>', 'where the authority is kept').default('.pulsegate/certs').env('PULSEGATE_CERTS'))
    .option('--host <address>', 'short for --est-host')
    .option('--port <integer>', 'short for --est-port', wholeNumber(0, 65_535))
  return addSettings(command, settings)
    .addHelpText('after', help)
    .action(async (flags: Flags) => {
      const config: EstConfig = configOf(command, settings)
      process.exitCode = await runServer('pulsegate-est', config, async (context) => {
        const names = config.serverNames?.split(',')
        if (names) await renewServer(flags.dir, names, config.certsPassphraseFile)
        const { databaseUrl } = config
        const est = await serveEst({ host: flags.host ?? config.estHost ?? '127.0.0.1', port: flags.port ?? config.estPort, deviceLifeMs: config.deviceLifeMs }, {
          directory: flags.dir,
          passphraseFile: config.certsPassphraseFile,
          ...(names && { serverNames: names }),
          ...(databaseUrl !== undefined && { database: openOne(databaseUrl, 'pulsegate est', undefined, { poolSize: 2, statementTimeoutMs: 5_000 }, context) }),
          health: context.health
        }, context)
        context.observability.log.info({ est: est.url, health: context.healthServer.address, registry: databaseUrl !== undefined }, 'pulsegate est is up')
      })
    })
}

/** At start too, not only in an hour: a certificate that has ended meanwhile would keep the server from starting. */
async function renewServer (directory: string, names: readonly string[], passphraseFile: string | undefined): Promise<void> {
  const options = passphraseFile === undefined ? {} : { passphrase: await readPassphrase(passphraseFile) }
  await openAuthority(directory, options) // never makes an authority: CERTS_AUTHORITY_MISSING
  await ensureDevelopmentAuthority(directory, names, options)
}
