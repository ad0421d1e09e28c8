import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { queryPair, readPlanFile } from '../files.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sensei-files-'))
afterAll(() => rmSync(folder, { recursive: true }))

function planFile(text: string): string {
  const file = path.join(folder, 'plan.json')
  writeFileSync(file, text)
  return file
}

test('a flag beside a plan may repeat what the plan says, not contradict it', async () => {
  const file = planFile('{"target":{"schema":"shop"},"append":false}')
  for (const beside of [{}, { schema: 'shop' }, { append: false }])
    expect(await readPlanFile(file, beside)).toMatchObject({ target: { schema: 'shop' } })
  await expect(readPlanFile(file, { schema: 'public' })).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringMatching(/goes into schema shop, .*says public\. Change target\.schema/),
  })
  await expect(readPlanFile(file, { append: true })).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringMatching(/without --append/),
  })
})

test('what is no plan at all is left to be named by what is wrong with it', async () => {
  for (const text of ['null', '5', '[]', '{"target":null}', '{"target":{"schema":1}}'])
    expect(await readPlanFile(planFile(text), { schema: 'public', append: true })).toEqual(
      JSON.parse(text),
    )
  await expect(readPlanFile(planFile('{'), {})).rejects.toMatchObject({ code: 'PLAN_INVALID' })
})

test('one text serves both sides', () => {
  expect(queryPair('a.sql', ' select 1 \n')).toEqual({
    name: 'a.sql',
    source: 'select 1',
    target: 'select 1',
  })
})

test('two texts stand under the lines -- source and -- target', () => {
  const text = '-- source\nselect sum(a) from t\n-- target\nselect sum(a)::bigint from t\n'
  expect(queryPair('b.sql', text)).toEqual({
    name: 'b.sql',
    source: 'select sum(a) from t',
    target: 'select sum(a)::bigint from t',
  })
})

test('a side without a query is refused by its name', () => {
  expect(() => queryPair('c.sql', '-- source\nselect 1\n-- target\n')).toThrow(
    /no query for the target/,
  )
  expect(() => queryPair('d.sql', '  \n')).toThrow(/no query for the source/)
})
