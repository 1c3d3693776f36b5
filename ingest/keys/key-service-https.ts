// A key service over HTTPS: the master key never leaves it. The protocol (docs/security/encryption.md): GET /key, POST /wrap, POST /unwrap
// below a base URL, JSON, keys in base64. We show a client certificate, a bearer token from a file, or both; its certificate is
// verified. Promise: every call ends within its deadline; failures are tried again within it, and behind a breaker a service that is
// away is not asked by every batch.
import { Agent, request } from 'node:https'
import { Breaker } from '../../runtime/breaker.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { readPrivateFile } from '../../runtime/secret-file.ts'
import { backoffMs, sleep } from '../../runtime/retry.ts'
import { tlsFaultOf } from '../../runtime/tls-fault.ts'
import { readTlsFiles, type TlsFileNames } from '../../runtime/tls-files.ts'
import { contextText, type KeyContext, type KeyService, type WrappedKey } from './key-service.ts'

export interface KeyServiceOptions extends TlsFileNames {
  /** `https://host[:port][/path]` */
  readonly url: string
  /** Holds a bearer token; read for each call, so that it may be replaced. */
  readonly tokenFile?: string
  /** For a whole call with its retries; default 5,000 ms. */
  readonly deadlineMs?: number
}

const backoff = { baseMs: 50, capMs: 1_000 }
const attemptShare = 0.5 // of the deadline: a call that hangs leaves time for a second attempt
const maxAnswerBytes = 16 * 1024

export function httpsKeyService (options: KeyServiceOptions): KeyService {
  return new HttpsKeyService(options)
}

type Answer = Readonly<Record<string, unknown>>

class HttpsKeyService implements KeyService {
  readonly place: string
  readonly #base: URL
  readonly #agent: Agent
  readonly #options: KeyServiceOptions
  readonly #breaker = new Breaker({ baseMs: 500, capMs: 5_000, failuresToOpen: 3 })

  constructor (options: KeyServiceOptions) {
    this.#options = options
    this.#base = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`)
    if (this.#base.protocol !== 'https:' || this.#base.username !== '' || this.#base.password !== '') throw new PulsegateError('CONFIG_INVALID', 'a key service is named by an https:// URL without user and password')
    this.place = this.#base.href
    if (options.tokenFile !== undefined) readPrivateFile(options.tokenFile) // a fault shows at the start
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4, minVersion: 'TLSv1.2', ...readTlsFiles(options) })
  }

  async id (): Promise<string> { return this.#text(await this.#call('GET', 'key'), 'key') }

  async wrap (dataKey: Buffer, context: KeyContext): Promise<WrappedKey> {
    const answer = await this.#call('POST', 'wrap', { plaintext: dataKey.toString('base64'), context: contextText(context) })
    return { master: this.#text(answer, 'key'), wrapped: Buffer.from(this.#text(answer, 'wrapped'), 'base64') }
  }

  async unwrap ({ master, wrapped }: WrappedKey, context: KeyContext): Promise<Buffer> {
    const answer = await this.#call('POST', 'unwrap', { key: master, wrapped: wrapped.toString('base64'), context: contextText(context) })
    return Buffer.from(this.#text(answer, 'plaintext'), 'base64')
  }

  close (): void { this.#agent.destroy() }

  #text (answer: Answer, name: string): string {
    const value = answer[name]
    if (typeof value === 'string' && value !== '' && value.length <= 4_096) return value
    throw new PulsegateError('KEY_SERVICE_REFUSED', `${this.place} answered without a ${name}`)
  }

  async #call (method: 'GET' | 'POST', path: string, body?: object): Promise<Answer> {
    const { deadlineMs = 5_000 } = this.#options
    const until = performance.now() + deadlineMs
    for (let attempt = 0; ; attempt++) {
      const turn = this.#breaker.turn()
      if (turn.kind === 'wait') throw this.#away('it was away a moment ago')
      try {
        const answer = await this.#ask(method, path, body, Math.min(deadlineMs * attemptShare, until - performance.now()))
        this.#breaker.succeeded()
        return answer
      } catch (error) {
        // whoever answers is not away
        if (error instanceof PulsegateError && error.code !== 'KEY_UNAVAILABLE') this.#breaker.succeeded()
        else this.#breaker.failed()
        if (error instanceof PulsegateError && error.code !== 'KEY_UNAVAILABLE') throw error
        const waitMs = backoffMs({ ...backoff, attempt })
        if (performance.now() + waitMs + 10 >= until || this.#breaker.state !== 'closed') throw error
        await sleep(waitMs)
      }
    }
  }

  /** One exchange. */
  async #ask (method: string, path: string, body: object | undefined, withinMs: number): Promise<Answer> {
    const { status, text } = await this.#exchange(method, path, body === undefined ? undefined : JSON.stringify(body), withinMs)
      .catch((cause: unknown) => {
        const fault = tlsFaultOf(cause)
        if (fault !== null) throw new PulsegateError('KEY_SERVICE_REFUSED', `${this.place}: ${fault}`, { cause })
        throw this.#away((cause as NodeJS.ErrnoException).code ?? (cause as Error).name, cause)
      })
    if (status >= 500 || status === 429 || status === 408) throw this.#away(`it answered ${status}`)
    const answer = jsonOf(text)
    if (status === 200 && answer !== null) return answer
    const error = answer?.['error']
    if (error === 'unknown-key') throw new PulsegateError('KEY_MASTER_UNKNOWN', `${this.place} does not have the master key that wraps a data key`)
    if (error === 'damaged') throw new PulsegateError('SEALED_DATA_DAMAGED', `a wrapped data key does not open at ${this.place}`)
    throw new PulsegateError('KEY_SERVICE_REFUSED', `${this.place} answered ${path} with ${status}`)
  }

  #exchange (method: string, path: string, body: string | undefined, withinMs: number): Promise<{ status: number, text: string }> {
    const { tokenFile } = this.#options
    const headers = {
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
      ...(tokenFile !== undefined && { authorization: `Bearer ${readPrivateFile(tokenFile).toString('latin1').trim()}` })
    }
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, this.#base), { method, headers, agent: this.#agent, signal: AbortSignal.timeout(Math.max(1, Math.floor(withinMs))) }, (response) => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          if ((bytes += chunk.length) > maxAnswerBytes) response.destroy(new Error('the answer is too long'))
        })
        response.on('end', () => { resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }) })
        response.on('error', reject)
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }

  #away (why: string, cause?: unknown): PulsegateError {
    return new PulsegateError('KEY_UNAVAILABLE', `the key service ${this.place} does not answer: ${why}`, cause === undefined ? {} : { cause })
  }
}

function jsonOf (text: string): Answer | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Answer : null
  } catch {
    return null
  }
}
