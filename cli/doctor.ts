// `pulsegate doctor`: looks at everything Pulsegate needs before it is needed, changes nothing, and says what to do. One
// line per finding; exits 1 when something would keep Pulsegate from working, 0 otherwise (warnings included).
import { Command } from 'commander'
import { checkCertificates } from './doctor-certificates.ts'
import { checkDatabase } from './doctor-database.ts'
import { checkEncryption, checkMasterKey } from './doctor-keys.ts'
import { checkRedis } from './doctor-redis.ts'
import { doctorSettings, type DoctorConfig, type Finding } from './doctor-finding.ts'
import { addSettings, configOf } from './options.ts'
import { examineSecurity, securitySettings } from './doctor-security.ts'
import { checkFolder, checkNode, checkOpenFiles, checkPorts } from './doctor-machine.ts'

/** Runs every check; none throws, a check that fails is a finding. */
export async function examine (config: DoctorConfig): Promise<Finding[]> {
  const checks: Array<[string, () => Promise<Finding[]> | Finding[]]> = [
    ['node', () => [checkNode(process.versions.node)]],
    ['open files', () => [checkOpenFiles()]],
    ['folder', () => checkFolder(config.data)],
    ['ports', () => checkPorts(config)],
    ['certificates', () => checkCertificates(config.certs ?? `${config.data}/certs`)],
    ['database', () => checkDatabase(config)],
    ['Redis', () => checkRedis(config)],
    ['encryption', () => checkEncryption(config)],
    ['master key', () => checkMasterKey(config)]
  ]
  const findings = await Promise.all(checks.map(async ([name, check]) => {
    try {
      return await check()
    } catch (error) {
      return [{ name, status: 'fail', detail: error instanceof Error ? error.message : String(error) } satisfies Finding]
    }
  }))
  return findings.flat()
}

/** The findings as a table for people; `all`: each thing at fault on a line of its own. */
export function renderFindings (findings: readonly Finding[], { all = false } = {}): string {
  const marks = { ok: '✓', warn: '!', fail: '✗' }
  const width = Math.max(...findings.map(({ name }) => name.length))
  const lines = findings.map(({ name, status, detail, todo, faults = [] }) =>
    `${marks[status]} ${name.padEnd(width)}  ${all && faults.length > 0 ? faults.join(`\n  ${' '.repeat(width)}  `) : detail}${todo && status !== 'ok' ? `\n  ${' '.repeat(width)}  → ${todo}` : ''}`)
  const count = (status: Finding['status']) => findings.filter((finding) => finding.status === status).length
  return `${lines.join('\n')}\n\n${count('ok')} fine, ${count('warn')} to watch, ${count('fail')} to repair\n`
}

export function doctorCommand (): Command {
  const command = new Command('doctor')
    .description('check this machine, the certificates, the database and Redis, and say what to do')
    .option('--security', 'instead, what weakens the protection: certificates, keys, rights, addresses')
    .option('--all', 'all that was found, not only the first three of a kind')
    .option('--json', 'one JSON object instead of a table; it holds all')
    .addHelpText('after', '\nExamples:\n  pulsegate doctor\n  pulsegate doctor --security --json --certs /etc/pulsegate/certs --database-url postgres://…')
  return addSettings(command, [...new Set([...doctorSettings, ...securitySettings])])
    .action(async ({ json, security, all = false }: { json?: boolean, security?: boolean, all?: boolean }) => {
      const findings = security === true
        ? await examineSecurity(configOf(command, securitySettings))
        : await examine(configOf(command, doctorSettings))
      const ok = findings.every(({ status }) => status !== 'fail')
      process.stdout.write(json ? JSON.stringify({ ok, findings }) + '\n' : renderFindings(findings, { all }))
      process.exitCode = ok ? 0 : 1
    })
}
