// Which operation a request line asks for. Pure: takes method, path and headers, gives the operation or a refusal with its status.
import { Refusal } from './answer.ts'

export type Operation = 'cacerts' | 'csrattrs' | 'simpleenroll' | 'simplereenroll'

const base = '/.well-known/est/'
const methods: Readonly<Record<Operation, readonly string[]>> = {
  cacerts: ['GET', 'HEAD'],
  csrattrs: ['GET', 'HEAD'],
  simpleenroll: ['POST'],
  simplereenroll: ['POST']
}

function isOperation (name: string): name is Operation { return Object.hasOwn(methods, name) }

/** Throws Refusal: 404, 405 or 415. `target` is the request target as sent; a query is ignored. */
export function operationOf (method: string, target: string, contentType: string | undefined): Operation {
  const path = target.split('?', 1)[0] ?? ''
  if (!path.startsWith(base)) throw new Refusal('not-found')
  const [first = '', ...rest] = path.slice(base.length).split('/')
  if (rest.length === 1 && isOperation(rest[0] ?? '')) throw new Refusal('label')
  if (rest.length > 0 || !isOperation(first)) throw new Refusal('not-found')
  if (!methods[first].includes(method)) throw new Refusal('method', { headers: { allow: methods[first].join(', ') } })
  if (method === 'POST' && mediaType(contentType) !== 'application/pkcs10') throw new Refusal('media-type')
  return first
}

/** Without its parameters, in lower case. */
function mediaType (header: string | undefined): string | undefined {
  return header?.split(';', 1)[0]?.trim().toLowerCase()
}
