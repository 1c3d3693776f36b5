// `pulsegate certs token …`, `pulsegate certs tokens`: one-time tokens for the first enrolment of devices. A token is printed once, or
// written to a file that only its owner can read; only its hash is kept.
import { open, unlink } from 'node:fs/promises'
import { Command, InvalidArgumentError, Option } from 'commander'
import { spoolAudit } from '../certs/audit-spool.ts'
import { openAuthority } from '../certs/authority.ts'
import { checkDeviceId } from '../certs/profile.ts'
import { type MadeToken, type TokenRecord, Tokens, tokenLifeMs } from '../certs/tokens.ts'
import { type AuditEvent } from '../runtime/audit.ts'
import { formatDuration } from '../runtime/duration.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { addPurposeOption, operatorAgent, purposeOf } from './actor.ts'
import { duration, wholeNumber } from './arguments.ts'
import { type Why } from './certs-audit.ts'
import { untilText } from './certs-text.ts'
import { table } from './text.ts'
import { type Print } from './text.ts'

interface CommonOptions { readonly dir: string, readonly json?: true }

interface MakeOptions extends CommonOptions { readonly any?: true, readonly count?: number, readonly expires: number, readonly out?: string }

/** `certs token`: make, and `certs token revoke`. */
export function tokenCommand (print: Print): Command {
  return addPurposeOption(withCommon(new Command('token'), 'make one-time tokens, each for the first enrolment of one device', [
    'token 6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5 --expires 1h', 'token --any --count 50 --out tokens.txt'
  ]))
    .argument('[uuid...]', 'device ids, a token each')
    .option('--any', 'not for a certain device: each enrols one device that this authority has not issued for before')
    .option('--count <n>', 'with --any: how many (default: 1)', wholeNumber(1, 10_000))
    .addOption(new Option('--expires <duration>', 'how long it can be used, one minute to 30 days').argParser(lifeOfToken).default(tokenLifeMs.default, formatDuration(tokenLifeMs.default)))
    .option('--out <file>', 'write them here (0600, never overwritten) instead of printing them: a line each, device id or `any`, and token')
    .addCommand(revokeCommand(print))
    .action(async (ids: string[], options: MakeOptions, command: Command) => {
      if ((ids.length === 0) === (options.any !== true)) command.error('error: give device ids, or --any', { exitCode: 2 })
      if (options.count !== undefined && options.any !== true) command.error('error: --count goes with --any; for devices name each', { exitCode: 2 })
      const why = purposeOf(command)
      const devices = options.any === true ? Array<null>(options.count ?? 1).fill(null) : ids.map(checkDeviceId)
      const { paths } = await openAuthority(options.dir)
      const out = options.out === undefined ? null : await newFile(options.out)
      const made = await new Tokens(paths.directory).make(devices, options.expires).catch(async (error: unknown) => {
        await out?.abandon()
        throw error
      })
      await tell(paths.directory, made, why)
      await out?.write(linesOf(made))
      if (out === null) print(options, made.map(toJson), linesOf(made))
      else print(options, made.map((token) => toJson({ ...token, token: '' })), `${made.length} tokens in ${options.out}, good until ${untilText(made[0]?.expiresAtMs ?? 0)}\n`)
    })
}

function revokeCommand (print: Print): Command {
  return addPurposeOption(withCommon(new Command('revoke'), 'make an open token worthless', ['token revoke 5ed370fe436e1dea']))
    .argument('<name>', 'its name, as `pulsegate certs tokens` lists it')
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions>()
      const why = purposeOf(command.parent ?? command) // a flag that the parent has too is read as its
      const { paths } = await openAuthority(options.dir)
      const record = await new Tokens(paths.directory).revoke(name)
      await spoolAudit(paths.directory, { ...eventOf('revoked', 'D', record), ...why })
      print(options, toJson(record), `Token ${name} is revoked.\n`)
    })
}

/** `certs tokens`. */
export function tokensCommand (print: Print): Command {
  return withCommon(new Command('tokens'), 'list enrolment tokens by name; the tokens themselves are not kept', ['tokens', 'tokens --all --json'])
    .option('--all', 'used, revoked and expired ones too')
    .action(async (options: CommonOptions & { all?: true }) => {
      const { paths } = await openAuthority(options.dir)
      const tokens = (await new Tokens(paths.directory).list()).filter(({ state }) => options.all === true || state === 'open')
      const rows = tokens.map(({ name, state, device, madeAtMs, expiresAtMs }) => [name, state, device ?? 'any new device', untilText(madeAtMs), untilText(expiresAtMs)])
      print(options, tokens.map((token) => ({ ...toJson(token), state: token.state })), tokens.length === 0 ? 'No open tokens.\n' : table(['name', 'state', 'device', 'made', 'until'], rows))
    })
}

function withCommon (command: Command, description: string, examples: readonly string[]): Command {
  return command.description(description)
    .addOption(new Option('--dir <directory>', 'where the authority is kept').default('.pulsegate/certs').env('PULSEGATE_CERTS'))
    .option('--json', 'print one JSON document')
    .addHelpText('after', `\nExamples:\n${examples.map((line) => `  pulsegate certs ${line}`).join('\n')}\nMore in docs/enrolment.md.`)
}

function lifeOfToken (text: string): number {
  const ms = duration(text)
  if (ms < tokenLifeMs.minimum || ms > tokenLifeMs.maximum) throw new InvalidArgumentError('It must be at least 1m and at most 30d.')
  return ms
}

function linesOf (tokens: readonly MadeToken[]): string {
  return tokens.map(({ device, token }) => `${device ?? 'any'} ${token}\n`).join('')
}

function toJson ({ name, device, madeAtMs, expiresAtMs, ...rest }: TokenRecord & { readonly token?: string }): object {
  return { name, device, made: new Date(madeAtMs).toISOString(), expires: new Date(expiresAtMs).toISOString(), ...(rest.token && { token: rest.token }) }
}

async function tell (directory: string, made: readonly MadeToken[], why: Why): Promise<void> {
  for (const token of made) await spoolAudit(directory, { ...eventOf('token-made', 'C', token), ...why })
}

function eventOf (subtype: 'token-made' | 'revoked', action: 'C' | 'D', { name, device, expiresAtMs }: TokenRecord): AuditEvent {
  return {
    type: 'certificate',
    subtype,
    action,
    outcome: 'success',
    agent: operatorAgent(),
    entity: { type: 'token', id: name },
    detail: { device: device ?? 'any', expires: new Date(expiresAtMs).toISOString() }
  }
}

/** Made before any token is, so that no token is lost to a path that cannot be written. */
async function newFile (path: string): Promise<{ write (text: string): Promise<void>, abandon (): Promise<void> }> {
  const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
    throw new PulsegateError('CERTS_INPUT_INVALID', `${path} cannot be made: ${(cause as NodeJS.ErrnoException).code ?? 'unknown'}.`, { cause })
  })
  return {
    async write (text) {
      await file.writeFile(text)
      await file.sync()
      await file.close()
    },
    async abandon () {
      await file.close()
      await unlink(path)
    }
  }
}
