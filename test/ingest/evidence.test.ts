import { test } from 'tap'
import { balanceOf, type StoredCounts } from '../../ingest/evidence.ts'

const counts = (device: string, rows: Partial<StoredCounts>): StoredCounts =>
  ({ device, messages: 2, claimedSamples: 20, claimedWaves: 2, samples: 20, waves: 2, duplicates: 0, ...rows })

test('tables that hold what the receipts claim are in balance', async (t) => {
  t.strictSame(balanceOf([counts('a', {}), counts('b', {})]), { rowsMissing: 0, rowsBeyond: 0 })
  t.strictSame(balanceOf([]), { rowsMissing: 0, rowsBeyond: 0 })
})

test('a row too many never hides a row too few, in another device or another table', async (t) => {
  t.strictSame(balanceOf([counts('a', { samples: 21 }), counts('b', { samples: 19 })]), { rowsMissing: 1, rowsBeyond: 1 })
  t.strictSame(balanceOf([counts('a', { samples: 18, waves: 4 })]), { rowsMissing: 2, rowsBeyond: 2 })
})
