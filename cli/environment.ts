// The environment as settings see it. At the start the program takes its secrets out of process.env and keeps them here: a diagnostic report,
// and every child process, would show them.
import { settings, variableOf, type Setting } from '../runtime/settings.ts'

const taken: Record<string, string> = {}

/** Called once, by the program's main file, before anything is read. */
export function takeSecrets (env: NodeJS.ProcessEnv = process.env): void {
  for (const [name, setting] of Object.entries<Setting>(settings)) {
    const variable = variableOf(name, setting)
    const value = env[variable]
    if (setting.secret !== true || value === undefined) continue
    taken[variable] = value
    delete env[variable]
  }
}

/** Of process.env and of what was taken out of it. */
export function environment (): NodeJS.ProcessEnv {
  return { ...taken, ...process.env }
}
