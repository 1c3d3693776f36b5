// The private HTTP address of a process: /healthz (it runs), /readyz (it can work; 503 with reasons when not), /metrics
// (Prometheus text). No authentication, so it listens on 127.0.0.1 unless told otherwise, takes only GET and HEAD, reads no
// body, and drops slow callers.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { PulsegateError } from './errors.ts'
import { type Health } from './health.ts'

export interface HealthServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** 0 takes a free one. */
  readonly port: number
  readonly health: Health
  /** Prometheus text exposition of all metrics. */
  readonly metricsText: () => Promise<string>
}

export interface HealthServer {
  readonly address: { readonly host: string, readonly port: number }
  close (): Promise<void>
}

/** Starts the server; throws PORT_UNAVAILABLE when the address cannot be taken. */
export async function startHealthServer ({ host = '127.0.0.1', port, health, metricsText }: HealthServerOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    answer(request, response, health, metricsText).catch(() => response.destroy())
  })
  server.requestTimeout = 5_000
  server.headersTimeout = 5_000
  server.maxConnections = 50 // probes and one or two scrapers; a flood must not eat the process's file descriptors
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new PulsegateError('PORT_UNAVAILABLE', `health and metrics cannot listen on ${host}:${port} (${(cause as NodeJS.ErrnoException).code})`, { cause })
  }
  return {
    address: { host, port: (server.address() as AddressInfo).port },
    close: () => new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }
}

async function answer (request: IncomingMessage, response: ServerResponse, health: Health, metricsText: () => Promise<string>): Promise<void> {
  response.setHeader('cache-control', 'no-store')
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(response, 405, { error: 'GET or HEAD only' })
  const path = new URL(request.url ?? '/', 'http://health').pathname
  if (path === '/healthz') return json(response, 200, { alive: true, uptimeSeconds: Math.round(process.uptime()) })
  if (path === '/readyz') {
    const report = health.report()
    return json(response, report.ready ? 200 : 503, report)
  }
  if (path === '/metrics') {
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8')
    response.end(await metricsText())
    return
  }
  json(response, 404, { error: 'not here', paths: ['/healthz', '/readyz', '/metrics'] })
}

function json (response: ServerResponse, status: number, body: object): void {
  response.statusCode = status
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(body) + '\n')
}
