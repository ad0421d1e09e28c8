/** A compiled kernel that is not its source's would be code that nobody has read. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { kernels, orphans, root, staleness } from '../kernels/files.ts'

test('every kernel was compiled from the source that lies beside it', () => {
  expect(kernels().length).toBeGreaterThan(0)
  for (const kernel of kernels()) expect(staleness(kernel), kernel.module).toBeNull()
  expect(orphans()).toEqual([])
})

test('a kernel of which a byte has changed is found out', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'sensei-kernels-'))
  try {
    for (const { source, module } of kernels()) {
      for (const file of [source, module]) {
        cpSync(file, path.join(folder, path.relative(root, file)), { recursive: true })
      }
    }
    const copies = kernels(folder)
    expect(copies.map(staleness)).toEqual(copies.map(() => null))
    for (const { source } of copies) writeFileSync(source, ' ', { flag: 'a' })
    for (const copy of copies) expect(staleness(copy)).toContain('has changed')
    for (const { source } of copies) rmSync(source)
    expect(orphans(folder)).toEqual(copies.map(({ module }) => module))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
