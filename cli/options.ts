// Settings as commander options: one flag each, described from the catalogue, read back as one checked configuration.
// Defaults are left to loadConfig, so that an environment variable is not hidden behind commander's default.
import { type Command, Option } from 'commander'
import { expectation, loadConfig } from '../runtime/config.ts'
import { environment } from './environment.ts'
import { type Config, flagOf, pick, type Setting, type SettingName, variableOf } from '../runtime/settings.ts'
import { completeUrls, holdsPassword, withCompanions } from './connection-settings.ts'

/** Adds the flags of the named settings to `command`. */
export function addSettings (command: Command, names: readonly SettingName[]): Command {
  const there = new Set(command.options.map(({ long }) => long))
  for (const [name, setting] of Object.entries<Setting>(pick(...withCompanions(names)))) {
    if (there.has(flagOf(name, setting))) continue
    const value = setting.type === 'boolean' ? '' : ` <${setting.type === 'string' ? 'text' : setting.type}>`
    const preset = setting.default === undefined ? '' : `; default ${String(setting.default)}`
    const allowed = setting.enum === undefined ? '' : `: ${expectation(setting)}`
    command.addOption(new Option(`${flagOf(name, setting)}${value}`,
      `${setting.description}${allowed} (${variableOf(name, setting)}${preset})`))
  }
  return command
}

/** The checked configuration of the named settings from `command`'s flags and the environment. Throws CONFIG_INVALID. */
export function configOf<N extends SettingName> (command: Command, names: readonly N[], env: NodeJS.ProcessEnv = environment()): Config<N> {
  const given = command.opts<Record<string, unknown>>()
  const schema = pick(...withCompanions(names))
  const flags = Object.fromEntries(Object.entries<Setting>(schema).map(([name, setting]) =>
    [name, given[camelCase(flagOf(name, setting))]]))
  warnOfPasswords(schema, flags)
  return completeUrls(loadConfig<Config<N> & object>(schema, { flags, env })) as Config<N>
}

/** What stands on a command line every user of the machine can read. Never on standard output: that belongs to results. */
function warnOfPasswords (schema: Readonly<Record<string, Setting>>, flags: Readonly<Record<string, unknown>>): void {
  for (const [name, setting] of Object.entries(schema)) {
    if (setting.secret !== true || !holdsPassword(flags[name])) continue
    process.stderr.write(`pulsegate: warning: every user of this machine can read the password in ${flagOf(name, setting)}; put the URL into a file and give ${variableOf(name, setting)}_FILE\n`)
  }
}

/** '--mqtt-port' → 'mqttPort', the name commander stores an option under. */
function camelCase (flag: string): string {
  return flag.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}
