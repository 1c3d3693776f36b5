// One checked, frozen configuration object per process. A value comes from its flag, else its environment variable, else
// its default; texts become numbers, booleans and ms; then one JSON Schema checks the whole. Steps: find, convert, check, report.
//
// A secret may also stand in a file, which is better than a variable: DATABASE_URL_FILE for DATABASE_URL. Its mode is checked.
//
// Promise: all faults are reported at once, each naming flag, variable and what is allowed; no secret value is echoed;
// nothing else in the program reads process.env.
import { Ajv, type ErrorObject } from 'ajv'
import { formatDuration, tryParseDurationMs } from './duration.ts'
import { PulsegateError } from './errors.ts'
import { readPrivateFile } from './secret-file.ts'
import { flagOf, settings, variableOf, type Setting } from './settings.ts'

export interface ConfigSources {
  /** From the command line, by setting name (`mqttPort`); undefined = not given. Others are ignored: they are the command's own. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * Reads, checks and freezes the configuration described by `schema` (see `pick` in settings.ts).
 * Throws CONFIG_INVALID listing every fault.
 */
export function loadConfig<T extends object> (schema: Readonly<Record<string, Setting>>, { flags, env }: ConfigSources): Readonly<T> {
  const faults = unknownVariables(schema, env)
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(schema)) {
    const raw = find(name, setting, flags, env, faults)
    if (raw === undefined) continue
    const value = convert(raw, setting)
    if (value === undefined) faults.push(faultOf(name, setting, raw))
    else values[name] = value
  }
  const check = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true }).compile(jsonSchemaOf(schema))
  if (!check(values)) {
    for (const error of check.errors ?? []) faults.push(...faultsOf(error, schema, values))
  }
  if (faults.length > 0) {
    throw new PulsegateError('CONFIG_INVALID', `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
  }
  return Object.freeze(values) as Readonly<T>
}

function find (name: string, setting: Setting, flags: ConfigSources['flags'], env: ConfigSources['env'], faults: string[]): unknown {
  const flag = flags[name]
  if (flag !== undefined) return flag
  const variable = variableOf(name, setting)
  const value = env[variable]
  const file = setting.secret === true ? env[`${variable}_FILE`] : undefined
  // `X=` in an env file means "not set" to most people who write it
  if (file === undefined || file === '') return value === undefined || value === '' ? setting.default : value
  if (value !== undefined && value !== '') {
    faults.push(`${variable} and ${variable}_FILE are both given; keep the file`)
    return undefined
  }
  try {
    return readPrivateFile(file).toString('utf8').trim()
  } catch (error) {
    faults.push(`${variable}_FILE: ${(error as Error).message}`)
    return undefined
  }
}

/** The typed value of what was given; undefined when it cannot be one of the setting's type. */
function convert (raw: unknown, { type }: Setting): unknown {
  if (typeof raw !== 'string' || type === 'string') return typeof raw === 'object' ? undefined : raw
  if (type === 'duration') return tryParseDurationMs(raw) ?? undefined
  if (type === 'integer') return /^-?\d{1,15}$/.test(raw.trim()) ? Number(raw) : undefined
  return new Map<string, unknown>([['true', true], ['1', true], ['false', false], ['0', false]]).get(raw.trim().toLowerCase())
}

function jsonSchemaOf (schema: Readonly<Record<string, Setting>>): object {
  const properties = Object.fromEntries(Object.entries(schema).map(([name, setting]) => {
    const { type, minimum, maximum, pattern } = setting
    return [name, {
      type: type === 'duration' ? 'integer' : type,
      ...(setting.enum ? { enum: [...setting.enum] } : {}),
      ...(minimum === undefined ? {} : { minimum }),
      ...(maximum === undefined ? {} : { maximum }),
      ...(pattern === undefined ? {} : { pattern })
    }]
  }))
  return { type: 'object', additionalProperties: false, properties }
}

function faultsOf (error: ErrorObject, schema: Readonly<Record<string, Setting>>, values: Record<string, unknown>): string[] {
  const name = error.instancePath.slice(1)
  const setting = schema[name]
  return setting ? [faultOf(name, setting, values[name])] : [`${name || 'configuration'}: ${error.message}`]
}

function faultOf (name: string, setting: Setting, value: unknown): string {
  const given = setting.secret ? 'is not valid' : `is ${JSON.stringify(value)}`
  return `${flagOf(name, setting)} (${variableOf(name, setting)}) ${given}; expected ${expectation(setting)}`
}

/** What a setting takes, in words: for faults, --help and the documentation. */
export function expectation (setting: Setting): string {
  if (setting.expects !== undefined) return setting.expects
  if (setting.enum) return `one of ${setting.enum.join(', ')}`
  const { type, minimum, maximum } = setting
  if (type === 'duration') return `a duration such as 20s${minimum === undefined ? '' : `, at least ${formatDuration(minimum)}`}`
  if (type === 'boolean') return 'true or false'
  if (type === 'string') return 'a text'
  if (minimum !== undefined && maximum !== undefined) return `a whole number from ${minimum} to ${maximum}`
  return `a whole number${minimum === undefined ? '' : `, at least ${minimum}`}`
}

function unknownVariables (schema: Readonly<Record<string, Setting>>, env: ConfigSources['env']): string[] {
  // one env file may serve several processes: every setting's variable is known to all of them
  const known = [...Object.entries<Setting>(settings), ...Object.entries(schema)].flatMap(([name, setting]) => {
    const variable = variableOf(name, setting)
    return setting.secret === true ? [variable, `${variable}_FILE`] : [variable]
  })
  return Object.keys(env).filter((name) => name.startsWith('PULSEGATE_') && !known.includes(name)).map((name) => {
    const near = closest(name, known)
    return `${name} is not a setting${near ? `; did you mean ${near}?` : ''}`
  })
}

/** The known name that differs in the fewest letters, when that is few enough to be a slip. */
function closest (name: string, known: string[]): string | undefined {
  const ranked = known.map((candidate) => ({ candidate, distance: editDistance(name, candidate) })).sort((a, b) => a.distance - b.distance)
  return ranked[0] && ranked[0].distance <= 4 ? ranked[0].candidate : undefined
}

function editDistance (a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    previous = row
  }
  return previous[b.length] ?? 0
}
