import { test } from 'tap'
import { readdir, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { smallDisk, whyNoSmallDisk } from '../../../proof/parts/small-disk.ts'
import { testFolder } from '../../fixtures/folder.ts'

test('a disk of its own is full when it is filled, has room when that is taken back, and goes away', async (t) => {
  const folder = testFolder(t)
  const why = await whyNoSmallDisk(join(folder, 'probe'))
  if (why !== null) {
    await t.rejects(smallDisk({ directory: join(folder, 'disk'), megabytes: 4 }), { code: 'PROOF_PART_FAILED' })
    t.comment(why)
    return
  }
  const disk = await smallDisk({ directory: join(folder, 'disk'), megabytes: 4 })
  t.teardown(() => disk.close())
  const free = async () => {
    const { bavail, bsize } = await statfs(disk.directory)
    return bavail * bsize
  }
  const file = join(disk.directory, 'data')
  await writeFile(file, Buffer.alloc(100_000))
  await disk.fill(1_000_000)
  t.ok(Math.abs(await free() - 1_000_000) <= 8_192, 'this much is left')
  await writeFile(file, Buffer.alloc(200_000))
  await disk.fill()
  t.equal(await free(), 0)
  await t.rejects(writeFile(file + '2', Buffer.alloc(100_000)), { code: 'ENOSPC' })
  await disk.fill()
  await disk.free()
  await writeFile(file + '2', Buffer.alloc(100_000))
  await disk.close()
  await disk.close()
  t.same(await readdir(disk.directory), [], 'nothing of it is left')
})
