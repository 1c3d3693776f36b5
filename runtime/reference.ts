// The reference pages that must agree with the code, made from it: docs/errors.md from the registry of errors,
// docs/configuration.md from the catalogue of settings. `npm run docs` writes them; a test fails when they are stale.
import { expectation } from './config.ts'
import { errorRegistry, type ErrorEntry } from './errors.ts'
import { flagOf, settings, variableOf, type Setting } from './settings.ts'

const made = (from: string) => `<!-- Made from ${from} by \`npm run docs\`. -->`

/** docs/errors.md */
export function errorsPage (): string {
  const sections = Object.entries<ErrorEntry>(errorRegistry).sort(([a], [b]) => a < b ? -1 : 1).map(([code, { meaning, remedy, exit, retryable }]) =>
    `## ${code}\n\n${meaning}\n\n**What to do:** ${remedy}\n\nExit code ${exit}; ${retryable ? 'the same may succeed later by itself' : 'trying again changes nothing'}.\n`)
  return `# Errors

${made('runtime/errors.ts')}

Every error that reaches a person has a code, which never changes its meaning. A command that ends with one prints the code,
what it concerns, and what to do. Why a message was not stored as data is another matter: see the quarantine reasons in
\`schemas/reasons.ts\`.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed |
| 2 | the command line was not understood |
| 78 | the configuration is wrong |
| 130, 143 | stopped by Ctrl-C or SIGTERM before the work was done |

${sections.join('\n')}`
}

/** docs/configuration.md */
export function configurationPage (): string {
  const rows = Object.entries<Setting>(settings).map(([name, setting]) => {
    const value = setting.default === undefined ? '–' : `\`${setting.default}\``
    return `| \`${flagOf(name, setting)}\`<br>\`${variableOf(name, setting)}\` | ${value} | ${expectation(setting)} | ${setting.description} |`
  })
  return `# Configuration

${made('runtime/settings.ts')}

A flag goes before its environment variable, that before the default; an empty variable counts as not set. Each command takes
the settings it needs: \`pulsegate <command> --help\` lists them. Everything is checked before anything is opened, all faults are
reported at once (exit code 78), and a \`PULSEGATE_*\` variable that is not listed here is a fault, because it is most likely
a misspelt one.

Durations are a number and a unit: \`250ms\`, \`20s\`, \`5m\`, \`1.5h\`, \`90d\`. URLs with passwords belong in files:
other users of a machine can read command lines, and an environment is passed on to every child. For each setting that may hold a secret,
<VARIABLE>_FILE names such a file: ${Object.entries<Setting>(settings).filter(([, { secret }]) => secret).map(([name, setting]) => `\`${variableOf(name, setting)}_FILE\``).join(', ')}. It must
belong to the user of the process (or to root) and be readable by nobody else; a flag that holds a password is warned of.

| flag, variable | default | expected | what it does |
| --- | --- | --- | --- |
${rows.join('\n')}

OpenTelemetry's exporters also read their own variables, such as \`OTEL_EXPORTER_OTLP_HEADERS\`.
`
}
