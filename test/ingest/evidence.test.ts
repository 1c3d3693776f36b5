import { test } from 'tap'
import { balanceOf, type StoredCounts } from '../../ingest/evidence.ts'

const counts = (device: string, rows: Partial<StoredCounts>): StoredCounts =>
  ({ device, messages: 2, claimedSamples: 20, claimedWaves: 2, samples: 20, waves: 2, erasedSamples: 0, erasedWaves: 0, duplicates: 0, ...rows })

test('tables that hold what the receipts claim are in balance', async (t) => {
  t.strictSame(balanceOf([counts('a', {}), counts('b', {})]), { rowsMissing: 0, rowsBeyond: 0, rowsErased: 0 })
  t.strictSame(balanceOf([]), { rowsMissing: 0, rowsBeyond: 0, rowsErased: 0 })
})

test('a row too many never hides a row too few, in another device or another table', async (t) => {
  t.strictSame(balanceOf([counts('a', { samples: 21 }), counts('b', { samples: 19 })]), { rowsMissing: 1, rowsBeyond: 1, rowsErased: 0 })
  t.strictSame(balanceOf([counts('a', { samples: 18, waves: 4 })]), { rowsMissing: 2, rowsBeyond: 2, rowsErased: 0 })
})

test('what was erased is not missing; what is missing beside it is', async (t) => {
  t.strictSame(balanceOf([counts('a', { samples: 12, erasedSamples: 8, waves: 0, erasedWaves: 2 })]), { rowsMissing: 0, rowsBeyond: 0, rowsErased: 10 })
  t.strictSame(balanceOf([counts('a', { samples: 11, erasedSamples: 8 })]), { rowsMissing: 1, rowsBeyond: 0, rowsErased: 8 })
  t.strictSame(balanceOf([counts('a', { waves: 3, erasedWaves: -1 })]), { rowsMissing: 0, rowsBeyond: 0, rowsErased: 0 }, 'one wave was cut in two')
  t.strictSame(balanceOf([counts('a', { waves: 2, erasedWaves: -1 })]), { rowsMissing: 1, rowsBeyond: 0, rowsErased: 0 }, 'and then one is lost')
  t.strictSame(balanceOf([counts('a', { erasedSamples: 8 })]), { rowsMissing: 0, rowsBeyond: 0, rowsErased: 0 }, 'their receipts have ended with retention')
})
