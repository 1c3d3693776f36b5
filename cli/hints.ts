// What a newcomer is told: where things are, and how to look further. Pure.
import { type Service } from './serve.ts'
import { type UpConfig } from './up-settings.ts'

/** Said once everything is up. */
export function startedLines (service: Service, logFile: string | null): string[] {
  const { host, port } = service.healthServer.address
  const lines = [
    `broker     ${service.url} (mutual TLS; CA ${service.authority.paths.ca})`,
    `database   ${service.databaseKind}; look with: psql '${shownUrl(service)}'`,
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
    `  psql '${shownUrl(service)}'`,
    '    SELECT * FROM latest_reading ORDER BY device, metric;',
    '    SELECT time, min, max, avg FROM reading_1m WHERE metric = \'heart-rate\' ORDER BY time DESC LIMIT 10;',
    '    SELECT * FROM completeness((SELECT device FROM device_list LIMIT 1));'
  ]
}

/** The embedded database's password is this folder's own and worth nothing elsewhere; anybody else's is not printed. */
function shownUrl ({ databaseKind, databaseUrl }: Service): string {
  if (databaseKind === 'embedded') return databaseUrl
  const url = new URL(databaseUrl)
  url.password = ''
  return url.href
}
