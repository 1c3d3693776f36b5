// The targets there are: the files of targets/. Adding one is adding a file.
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Target } from './target.ts'

const folder = new URL('./targets/', import.meta.url)

export function targetNames (): string[] {
  return readdirSync(fileURLToPath(folder)).flatMap((name) => /^([a-z]+)\.(?:js|ts)$/.exec(name)?.[1] ?? []).sort()
}

/** `name`: of a file in targets/, or the URL of a module elsewhere. Throws a RangeError that names those there are. */
export async function findTarget (name: string): Promise<Target> {
  if (name.startsWith('file:')) return (await import(name) as { default: Target }).default
  if (!targetNames().includes(name)) throw new RangeError(`no target ${name}; there are ${targetNames().join(', ')}`)
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const { default: target } = await import(new URL(`${name}.${ending}`, folder).href) as { default: Target }
  return target
}
