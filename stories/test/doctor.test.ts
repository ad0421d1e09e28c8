/** The doctor names what is missing, with what mends it. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rowsOf, Story } from '../support/sensei.ts'

vi.setConfig({ testTimeout: 60_000 })

let story: Story

beforeAll(async () => {
  story = await Story.open()
})

afterAll(() => story.close())

test('a machine with nothing missing is told so', async () => {
  const { exit, stdout } = await story.run(['doctor', '--target', 'env:TARGET'], {
    TARGET: await story.target(),
  })
  expect(exit).toBe(0)
  expect(stdout).not.toContain('MISSING')
  expect(stdout).toMatch(/target: PostgreSQL \d+/)
})

test('a role without rights is told the GRANT, and after it nothing is missing', async () => {
  const TARGET = await story.target()
  const role = `poor_${process.pid}`
  const database = new URL(TARGET).pathname.slice(1)
  await rowsOf(
    TARGET,
    `create role ${role} login password 'poor'; revoke create on schema public from public`,
  )
  const poor = new URL(TARGET)
  poor.username = role
  poor.password = 'poor'
  const { exit, stdout } = await story.run(['doctor', '--target', 'env:TARGET'], {
    TARGET: poor.href,
  })
  expect(exit).toBe(1)
  const grants = Array.from(stdout.matchAll(/GRANT [^;\n]+/g), ([grant]) => grant)
  expect(grants).not.toEqual([])
  for (const grant of grants) await rowsOf(TARGET, grant)
  expect((await story.run(['doctor', '--target', 'env:TARGET'], { TARGET: poor.href })).exit).toBe(
    0,
  )
  await rowsOf(
    TARGET,
    `revoke all on database ${database} from ${role}; drop owned by ${role}; drop role ${role}`,
  )
})

test('a target that does not answer is missing too', async () => {
  const told = await story.json(['doctor', '--target', 'postgres://x@127.0.0.1:1/y'])
  expect(told).toMatchObject({ exit: 1, ok: false })
  expect(JSON.stringify(told)).toContain('TARGET_UNREACHABLE')
})
