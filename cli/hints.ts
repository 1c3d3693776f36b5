// What a newcomer is told: where things are, and how to look further. Pure.
import { join } from 'node:path'
import { type Service } from './serve.ts'
import { type UpConfig } from './up-settings.ts'

/** Said once everything is up. */
export function startedLines (service: Service, { data }: UpConfig, logFile: string | null): string[] {
  const { host, port } = service.healthServer.address
  const lines = [
    `broker     ${service.url} (mutual TLS; CA ${service.authority.paths.ca})`,
    `database   ${service.databaseKind}; look with: ${psql(service, data)}`,
    ...(service.est ? [`enrolment  ${service.est.url}/.well-known/est/ (first with: pulsegate certs token <device id>)`] : []),
    `health     http://${host}:${port}/readyz and /metrics`
  ]
  if (service.admin !== null) lines.push(`admin      https://${service.admin.address.host}:${service.admin.address.port}/v1/ (operators' certificates; docs/administration.md)`)
  if (logFile !== null) lines.push(`log        ${logFile}`)
  return [...lines, '']
}

/** Said after the verdict. */
export function lookFurther (service: Service, { data }: UpConfig): string[] {
  const again = service.databaseKind === 'embedded'
    ? `The database stays in ${data}; it runs while \`npm start\` does. In a second terminal then:`
    : 'To look further:'
  return [
    '',
    again,
    `  ${psql(service, data)}`,
    '    SELECT * FROM latest_reading ORDER BY device, metric;',
    '    SELECT time, min, max, avg FROM reading_1m WHERE metric = \'heart-rate\' ORDER BY time DESC LIMIT 10;',
    '    SELECT * FROM completeness((SELECT device FROM device_list LIMIT 1));'
  ]
}

/** The command that looks into the database. No password is in it: what is printed ends in journals and recordings of terminals. */
function psql ({ databaseKind, databaseUrl }: Service, data: string): string {
  const url = new URL(databaseUrl)
  url.password = ''
  const password = databaseKind === 'embedded' ? `PGPASSWORD=$(cat '${join(data, 'postgres', 'password')}') ` : ''
  return `${password}psql '${url.href}'`
}
