import { test } from 'tap'
import { decideEdition } from '../../ingest/edition.ts'
import { textFor, planMigrations, type Migration } from '../../ingest/migrations.ts'

test('the edition follows from the extension, its licence, and what the database was made as', async (t) => {
  t.same(decideEdition({ extension: false, license: null, recorded: null }), { edition: 'plain', storage: 'plain' })
  t.same(decideEdition({ extension: true, license: 'apache', recorded: null }), { edition: 'timescaledb-apache', storage: 'hypertable' })
  t.same(decideEdition({ extension: true, license: 'timescale', recorded: 'hypertable' }), { edition: 'timescaledb', storage: 'hypertable' })
  t.same(decideEdition({ extension: true, license: 'timescale', recorded: 'plain' }), { edition: 'plain', storage: 'plain' }, 'an extension that came later changes no table')
  t.throws(() => decideEdition({ extension: false, license: null, recorded: 'hypertable' }), { code: 'DATABASE_UNSUITABLE' })
})

test('sections of the other storage are left out, lines keep their numbers', async (t) => {
  const text = 'one\n--@ plain\ntwo\n--@ end\n  --@ hypertable\nthree\n  --@ end\nfour'
  t.equal(textFor(text, 'plain'), 'one\n\ntwo\n\n\n\n\nfour')
  t.equal(textFor(text, 'hypertable'), 'one\n\n\n\n\nthree\n\nfour')
})

const file = (number: number, checksum = 'same'): Migration => ({ number, name: `${number}_name`, checksum, inTransaction: true, text: '' })

test('what is to be applied follows from the files and the table', async (t) => {
  const known = [file(1), file(2), file(3)]
  t.same(planMigrations(known, [file(1)]), { pending: [known[1], known[2]], ahead: [] })
  t.same(planMigrations(known, [...known, file(4)]), { pending: [], ahead: ['4_name'] })
  t.same(planMigrations(known, [file(1), file(3)]).pending, [known[1]], 'one that came from another branch late')
  t.throws(() => planMigrations(known, [file(1, 'other')]), { code: 'MIGRATION_CHANGED', message: /1_name\.sql has been edited/ })
  t.throws(() => planMigrations([file(1), file(3)], [file(1), file(2), file(3)]), { code: 'MIGRATION_CHANGED', message: /its file is gone/ })
})
