import { test } from 'tap'
import { loadConfig } from '../../runtime/config.ts'
import { flagOf, pick, settings, variableOf, type Config, type Setting } from '../../runtime/settings.ts'

const names = ['mqttPort', 'logLevel', 'graceMs', 'databaseUrl', 'enrolment'] as const
type Names = typeof names[number]
const load = (flags: Record<string, unknown>, env: Record<string, string> = {}) => loadConfig<Config<Names>>(pick(...names), { flags, env })

test('a flag goes before a variable, a variable before the default', async (t) => {
  t.match(load({}), { mqttPort: 8_883, logLevel: 'info', graceMs: 25_000 })
  t.equal(load({}, { PULSEGATE_MQTT_PORT: '1883' }).mqttPort, 1_883)
  t.equal(load({ mqttPort: '0' }, { PULSEGATE_MQTT_PORT: '1883' }).mqttPort, 0)
  t.equal(load({}, { PULSEGATE_GRACE: '2m' }).graceMs, 120_000)
  t.equal(load({}, { PULSEGATE_MQTT_PORT: '' }).mqttPort, 8_883, 'an empty variable is not set')
  t.equal(load({}).databaseUrl, undefined)
  t.ok(Object.isFrozen(load({})))
})

test('all faults come at once, each with flag, variable and what is allowed', async (t) => {
  const env = { PULSEGATE_MQTT_PORT: '99999', PULSEGATE_LOG_LEVEL: 'loud', PULSEGATE_GRACE: '20', DATABASE_URL: 'mysql://u:c4n4ry@h', PULSEGATE_MQTT_PROT: '1' }
  const error = t.throws(() => load({ enrolment: 'maybe' }, env)) as unknown as Error
  t.match(error, { code: 'CONFIG_INVALID' })
  t.match(error.message, /6 faults/)
  t.match(error.message, '--mqtt-port (PULSEGATE_MQTT_PORT) is 99999; expected a whole number from 0 to 65535')
  t.match(error.message, '--log-level (PULSEGATE_LOG_LEVEL) is "loud"; expected one of trace, debug')
  t.match(error.message, '--grace (PULSEGATE_GRACE) is "20"; expected a duration such as 20s')
  t.match(error.message, '--database-url (DATABASE_URL) is not valid; expected postgres://')
  t.match(error.message, '--enrolment (PULSEGATE_ENROLMENT) is "maybe"; expected one of active, pending')
  t.match(error.message, 'PULSEGATE_MQTT_PROT is not a setting; did you mean PULSEGATE_MQTT_PORT?')
  t.notMatch(error.message, 'c4n4ry', 'a secret is never echoed')
})

test('a variable of another process is no fault', async (t) => {
  t.doesNotThrow(() => load({}, { PULSEGATE_HEALTH_PORT: 'whatever', PATH: '/bin' }))
})

test('every setting has its own flag and variable, and a default that is valid', async (t) => {
  const entries = Object.entries<Setting>(settings)
  t.equal(new Set(entries.map(([name, setting]) => flagOf(name, setting))).size, entries.length)
  t.equal(new Set(entries.map(([name, setting]) => variableOf(name, setting))).size, entries.length)
  t.doesNotThrow(() => loadConfig(settings, { flags: {}, env: {} }))
})
