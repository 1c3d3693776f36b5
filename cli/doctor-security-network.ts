// What the settings say of the network: connections that leave the machine without TLS, a health address that strangers reach, devices
// that let themselves in, and an acknowledgement that may be lost. Pure: no connection is made.
import { isIP } from 'node:net'
import { isLocalAddress } from '../runtime/local-address.ts'
import { type Finding } from './doctor-finding.ts'
import { type SecurityCheck } from './doctor-security.ts'
import { findingOf } from './doctor-security-finding.ts'

export const checkNetwork: SecurityCheck = ({ config }) => {
  const { databaseUrl, redisUrl, healthHost, mqttHost, enrolment, allowWeakDurability } = config
  return [
    findingOf('database without TLS', databaseUrl === undefined || !databaseInTheClear(databaseUrl) ? [] : [`${new URL(databaseUrl).host} is not on this machine, and its URL asks for no TLS`],
      { fine: databaseUrl === undefined ? 'embedded, on this machine' : 'encrypted, or on this machine', todo: 'add ?sslmode=verify-full to DATABASE_URL, and sslrootcert=<file> when its authority is your own' }),
    findingOf('Redis without TLS', redisUrl === undefined || !redisInTheClear(redisUrl) ? [] : [`${new URL(redisUrl).host} is not on this machine, and its URL says redis://`],
      { fine: redisUrl === undefined ? 'none' : 'encrypted, or on this machine', todo: 'write rediss:// in REDIS_URL' }),
    healthFinding(healthHost),
    enrolmentFinding(enrolment, mqttHost),
    findingOf('weak durability', allowWeakDurability ? ['--allow-weak-durability is set: a power cut may lose what was acknowledged'] : [],
      { fine: 'not allowed', todo: 'set appendfsync always in Redis and take the flag away' })
  ]
}

/** True when the URL of a database beyond this machine asks for no TLS, or for TLS with anybody. */
export function databaseInTheClear (url: string): boolean {
  const { hostname, searchParams } = new URL(url)
  const host = searchParams.get('host') ?? decodeURIComponent(hostname)
  // pg verifies with `require` too, unless it is told to be as lax as libpq
  const verified = searchParams.get('uselibpqcompat') === 'true' ? ['verify-full', 'verify-ca'] : ['verify-full', 'verify-ca', 'require', 'prefer']
  return host !== '' && !isLocalAddress(host) && !verified.includes(searchParams.get('sslmode') ?? '')
}

export function redisInTheClear (url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol !== 'rediss:' && !isLocalAddress(hostname)
}

function healthFinding (host: string): Finding {
  const name = 'health address'
  const reach = reachOf(host)
  if (reach === 'machine') return { name, status: 'ok', detail: `${host}, on this machine only` }
  if (reach === 'private') return { name, status: 'ok', detail: `${host}, in a private network: it asks for no password` }
  return {
    name,
    status: reach === 'any' ? 'warn' : 'fail',
    detail: reach === 'any' ? `${host}: every network of this machine reaches /metrics and /readyz, without a password` : `${host} is a public address or a name: strangers read /metrics and /readyz`,
    todo: 'set --health-host to 127.0.0.1, or to an address of a private network'
  }
}

function reachOf (host: string): 'machine' | 'private' | 'any' | 'public' {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  if (isLocalAddress(bare)) return 'machine'
  if (bare === '0.0.0.0' || bare === '::') return 'any'
  // RFC 1918, RFC 6598, RFC 3927; RFC 4193, RFC 4291 2.5.6
  if (isIP(bare) === 4 && /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(bare)) return 'private'
  return isIP(bare) === 6 && /^(f[cd]|fe[89ab])/.test(bare) ? 'private' : 'public'
}

function enrolmentFinding (enrolment: 'active' | 'pending' | undefined, mqttHost: string): Finding {
  const name = 'enrolment'
  const todo = 'set --enrolment pending, and let an operator approve each device'
  if (enrolment === 'pending' || isLocalAddress(mqttHost)) return { name, status: 'ok', detail: enrolment ?? 'open to this machine only' }
  return enrolment === 'active'
    ? { name, status: 'fail', detail: `active, and devices reach ${mqttHost}: whoever holds a certificate is let in at once`, todo }
    : { name, status: 'warn', detail: `not set, and devices reach ${mqttHost}: \`pulsegate up\` would let them in at once`, todo }
}
