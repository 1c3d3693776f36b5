// Reads a small JSON body within its bounds; a body that is longer, late or not JSON is the caller's fault and said so.
import { type IncomingMessage } from 'node:http'
import { BadRequest } from './routes.ts'

/** The largest command: 64 KiB as hex, and a little JSON around it. */
const maxBodyBytes = 2 * 64 * 1024 + 1_024

/** The parsed body; undefined when there is none. Throws BadRequest, with the rest unread. */
export async function readJson (request: IncomingMessage): Promise<unknown> {
  const tooLong = new BadRequest(`the body is longer than ${maxBodyBytes} bytes`, 413)
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLong
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBodyBytes) throw tooLong
    chunks.push(chunk)
  }
  if (size === 0) return undefined
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) throw new BadRequest('the body must be application/json')
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
  } catch {
    throw new BadRequest('the body is not JSON')
  }
}

/** The text under `name` of a JSON object that has no other fields than `names`; purpose.ts has taken its own. Throws BadRequest. */
export function textFields<N extends string> (body: unknown, names: readonly N[]): Partial<Record<N, string>> {
  if (body === undefined) return {}
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new BadRequest('the body must be a JSON object')
  for (const [name, value] of Object.entries(body)) {
    if (!(names as readonly string[]).includes(name)) throw new BadRequest(`"${name.slice(0, 40)}" is not a field; there are: ${[...names, 'purpose'].join(', ')}`)
    if (typeof value !== 'string') throw new BadRequest(`"${name}" must be a text`)
  }
  return body
}
