// Secrets come from files whose mode is checked; what stands on a command line is warned of.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { completenessCommand } from '../../cli/completeness.ts'
import { addSettings, configOf } from '../../cli/options.ts'
import { loadConfig } from '../../runtime/config.ts'
import { pick } from '../../runtime/settings.ts'
import { testFolder } from '../fixtures/folder.ts'

const schema = pick('databaseUrl', 'redisUrl', 'mqttHost')

test('a secret setting is read from the file that its _FILE variable names; one that others can read stops the start [C14]', async (t) => {
  const folder = testFolder(t)
  const file = join(folder, 'database-url')
  writeFileSync(file, 'postgres://u:c4n4ry@localhost/x\n', { mode: 0o600 })
  const load = (env: Record<string, string>) => loadConfig<{ databaseUrl?: string }>(schema, { flags: {}, env })
  t.equal(load({ DATABASE_URL_FILE: file }).databaseUrl, 'postgres://u:c4n4ry@localhost/x')
  t.equal(load({ DATABASE_URL_FILE: '' }).databaseUrl, undefined)
  const refused = (env: Record<string, string>): Error => t.throws(() => load(env), { code: 'CONFIG_INVALID', entry: { exit: 78 } }) as unknown as Error
  chmodSync(file, 0o644)
  t.match(refused({ DATABASE_URL_FILE: file }).message, `DATABASE_URL_FILE: ${file} has mode 0644, so others can read or write it. Run: chmod 0600 '${file}'`)
  chmodSync(file, 0o600)
  t.match(refused({ DATABASE_URL_FILE: file, DATABASE_URL: 'postgres://u:c4n4ry@localhost/x' }).message, /both given; keep the file/)
  t.match(refused({ DATABASE_URL_FILE: join(folder, 'none') }).message, /none cannot be read \(ENOENT\)/)
  mkdirSync(join(folder, 'folder'))
  t.match(refused({ DATABASE_URL_FILE: join(folder, 'folder') }).message, /is not a file/)
  writeFileSync(file, 'mysql://u:c4n4ry@localhost/x')
  t.notMatch(refused({ DATABASE_URL_FILE: file }).message, 'c4n4ry', 'its content is never shown')
  t.match(refused({ PULSEGATE_MQTT_HOST_FILE: file }).message, /PULSEGATE_MQTT_HOST_FILE is not a setting/, 'what is no secret has no file')
})

test('a password in a flag is warned of, one in a file is not [C14]', async (t) => {
  const said: string[] = []
  const { write } = process.stderr
  t.teardown(() => { process.stderr.write = write })
  const parse = (words: string[], env: Record<string, string> = {}): void => {
    const command = addSettings(completenessCommand().createCommand('x'), ['databaseUrl', 'redisUrl']).action(() => {})
    command.parse(words, { from: 'user' })
    process.stderr.write = (text: string) => said.push(text) > 0
    try {
      configOf(command, ['databaseUrl', 'redisUrl'], env)
    } finally {
      process.stderr.write = write
    }
  }
  parse([], { DATABASE_URL: 'postgres://u:c4n4ry@localhost/x' })
  parse(['--database-url', 'postgres://u@localhost/x', '--redis-url', 'redis://localhost'])
  t.strictSame(said, [])
  parse(['--database-url', 'postgres://u:c4n4ry@localhost/x', '--redis-url', 'redis://:c4n4ry@localhost'])
  t.equal(said.length, 2)
  t.match(said.join(''), /password in --database-url; put the URL into a file and give DATABASE_URL_FILE/)
  t.notMatch(said.join(''), 'c4n4ry')
})
