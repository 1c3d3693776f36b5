// The master keys of a process: the one that wraps, and those that still open what they have wrapped, while a rotation moves it. Takes
// settings (a path or an https:// URL each), gives one KeyService.
import { PulsegateError } from '../../runtime/errors.ts'
import { httpsKeyService, type KeyServiceOptions } from './key-service-https.ts'
import { type KeyContext, type KeyService, type WrappedKey } from './key-service.ts'
import { masterKeyFile } from './master-key-file.ts'

export interface KeySettings extends Omit<KeyServiceOptions, 'url'> {
  /** A path, or `https://…`. */
  readonly masterKey: string
  readonly oldMasterKeys?: readonly string[]
}

/** Reads key files at once; a key service is first asked when it is needed. Errors: of masterKeyFile, CONFIG_INVALID, TLS_FILE_UNREADABLE. */
export function openKeyRing ({ masterKey, oldMasterKeys = [], ...service }: KeySettings): KeyService {
  const open = (place: string): KeyService => isKeyServiceUrl(place) ? httpsKeyService({ ...service, url: place }) : masterKeyFile(place)
  return keyRing(open(masterKey), oldMasterKeys.map(open))
}

export function isKeyServiceUrl (place: string): boolean { return /^[a-z]+:\/\//i.test(place) }

/** `current` wraps; each of them unwraps what is its own. */
export function keyRing (current: KeyService, old: readonly KeyService[]): KeyService {
  const all = [current, ...old]
  return {
    place: current.place,
    id: () => current.id(),
    wrap: (dataKey, context) => current.wrap(dataKey, context),
    unwrap: (key, context) => unwrapByAny(all, key, context),
    close: () => { for (const service of all) service.close() }
  }
}

async function unwrapByAny (services: readonly KeyService[], key: WrappedKey, context: KeyContext): Promise<Buffer> {
  let failure: PulsegateError | null = null
  for (const service of services) {
    try {
      return await service.unwrap(key, context)
    } catch (error) {
      if (!(error instanceof PulsegateError)) throw error
      if (error.code !== 'KEY_MASTER_UNKNOWN' && error.code !== 'KEY_UNAVAILABLE') throw error
      // one that is away may have it: that is the answer, unless another opens it
      if (failure === null || error.code === 'KEY_UNAVAILABLE') failure = error
    }
  }
  throw failure ?? new PulsegateError('KEY_MASTER_UNKNOWN', `a data key is wrapped by master key ${key.master}`)
}
