import { describe, expect, test } from 'vitest'
import type { Contender } from '../contenders/contender.ts'
import { copy } from '../contenders/copy.ts'
import { pgloader } from '../contenders/pgloader.ts'
import { senseiCopy } from '../contenders/sensei.ts'
import { orders } from '../datasets/orders.ts'
import { markdown, median, ratioToPgloader, speedTable } from '../report.ts'
import type { Result } from '../speed.ts'

const data = { dataset: orders, path: 'orders.sqlite', rows: 100, bytes: 5_000 }

function result(contender: Contender, seconds: readonly number[], failure?: string): Result {
  const rest = { exitCode: 0, cpuSeconds: 1, peakRssKb: 2_048, stdout: '', stderr: '' }
  return {
    data,
    contender,
    usages: seconds.map((each) => ({ ...rest, seconds: each })),
    failure,
  }
}

describe('the report of the bench', () => {
  test('the median of an even number of rounds lies between the middle two', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
  })

  test('the ratio says how many times as fast as pgloader on the same data', () => {
    const own = result(senseiCopy, [2, 4, 3])
    const peer = result(pgloader, [12, 9, 8])
    expect(ratioToPgloader(own, [own, peer])).toBe(3)
    expect(ratioToPgloader(own, [own])).toBeUndefined()
  })

  test('a contender that failed stands in the table with its reason and without a time', () => {
    const lines = speedTable([result(pgloader, [1], 'exit 1: heap | exhausted'), result(copy, [1])])
    expect(lines[2]).toMatch(/pgloader +\| failed +\| +\| exit 1: heap \/ exhausted/)
    expect(lines[2]).not.toContain('1.00')
  })

  test('the file names the command, the machine, the tables and the settings of the server', () => {
    const text = markdown({
      command: 'npm run bench',
      date: '2026-01-02',
      facts: [{ name: 'memory', value: '8.0 GB' }],
      settings: { fsync: 'on' },
      rounds: 3,
      speed: [result(pgloader, [2]), result(senseiCopy, [1])],
      memory: [],
    })
    for (const part of [
      '`npm run bench` on 2026-01-02',
      '8.0 GB',
      'create table orders',
      '`fsync = on`',
    ]) {
      expect(text).toContain(part)
    }
    expect(text).toMatch(/Sensei, copying alone \| 1\.00 +\| 2\.00/)
    expect(text).not.toContain('## Memory')
  })
})
