// The kept inputs of a target, fuzz/corpus/<target>/: one file an input, named by its digest, run again at the beginning of every run. An
// input that made a finding is written as crash-<digest>: once mended, it stays and is the regression test.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder in the sources, also when this runs compiled. */
export const corpusRoot = fileURLToPath(new URL('fuzz/corpus/', import.meta.resolve('#package')))

/** In the order of their names. */
export function readCorpus (target: string, root: string = corpusRoot): Array<{ readonly name: string, readonly input: Buffer }> {
  const folder = join(root, folderOf(target))
  return list(folder).map((name) => ({ name, input: readFileSync(join(folder, name)) }))
}

/** Writes an input that made a finding; gives its path. */
export function keepCrash (target: string, input: Buffer, root: string = corpusRoot): string {
  return keep(target, `crash-${digestOf(input)}`, input, root)
}

export function keepInput (target: string, input: Buffer, root: string = corpusRoot): string {
  return keep(target, digestOf(input), input, root)
}

function keep (target: string, name: string, input: Buffer, root: string): string {
  const folder = join(root, folderOf(target))
  mkdirSync(folder, { recursive: true })
  const path = join(folder, name)
  writeFileSync(path, input)
  return path
}

/** Of a target that is a module elsewhere: its file's name. */
function folderOf (target: string): string {
  return target.replace(/^file:.*\/|\.js$/g, '')
}

function digestOf (input: Buffer): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 16)
}

function list (folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith('.')).sort()
  } catch {
    return []
  }
}
