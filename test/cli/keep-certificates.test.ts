// The renewal that runs beside a broker: a fault of one authority does not stop the other's.
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { initAuthority } from '../../certs/authority.ts'
import { authorityPaths } from '../../certs/files.ts'
import { issueOperator, operatorsDirectory } from '../../certs/operators.ts'
import { listStates } from '../../certs/revocation.ts'
import { renewWhatIsDue } from '../../cli/keep-certificates.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { agedOperatorLists } from '../fixtures/admin.ts'

test('a fault of the fleet\'s authority is told, after the operators\' lists were renewed', async (t) => {
  const dir = join(t.testdir(), 'certs')
  const { paths } = await initAuthority(dir)
  await issueOperator(dir, { name: 'alice', role: 'operator' })
  const told: string[] = []
  const renew = async (): Promise<void> => {
    await renewWhatIsDue({ paths, serverNames: ['localhost'], log: quietObservability().log }, (changed) => { told.push(...changed) })
  }
  await renew()
  t.same(told.splice(0), ['server'])
  await agedOperatorLists(dir, 16)
  await chmod(paths.issuingKey, 0o644)
  await t.rejects(renew(), { code: 'CERTS_KEY_EXPOSED' })
  t.same(told.splice(0), ['operators\' lists'])
  const [list] = await listStates(authorityPaths(operatorsDirectory(dir)))
  t.ok((list?.nextUpdate.getTime() ?? 0) > Date.now() + 29 * 86_400_000)
  await chmod(paths.issuingKey, 0o600)
  await renew()
  t.same(told, [], 'nothing is left to do')
})
