// Why something is asked, in the words of who asks: `purpose` in the body of any request. It ends in the audit trail, and is taken off the body
// before the route sees it. Pure.
import { BadRequest } from './routes.ts'

/** As many as the audit trail keeps of it. */
const maxPurposeChars = 500

export interface Asked {
  readonly purpose?: string
  /** Without the purpose; what is no JSON object is left as it is. */
  readonly body: unknown
}

/** Throws BadRequest when there is one that cannot stand in the trail as it is. */
export function takePurpose (body: unknown): Asked {
  if (typeof body !== 'object' || body === null || Array.isArray(body) || !('purpose' in body)) return { body }
  const { purpose, ...rest } = body
  if (typeof purpose !== 'string' || purpose.trim() === '' || purpose.length > maxPurposeChars) throw new BadRequest(`"purpose" must be a text of 1 to ${maxPurposeChars} characters`)
  return { purpose, body: rest }
}
