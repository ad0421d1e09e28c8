/** The demo, as a newcomer sees it: whole, on the embedded server, without a terminal. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { Story } from '../support/sensei.ts'

vi.setConfig({ testTimeout: 240_000 })

const golden = new URL('../../apps/cli/test/golden/demo-summary.txt', import.meta.url)

let story: Story

beforeAll(async () => {
  story = await Story.open()
})

afterAll(() => story.close())

test('the demo ends with a certificate and the summary of the golden file', async () => {
  const { exit, stdout, stderr } = await story.run(['demo'])
  expect(exit).toBe(0)
  const masked = stdout
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, 'ID')
    .replace(/\d+\.\d s$/m, 'SECONDS s')
  expect(masked.trim()).toBe(readFileSync(golden, 'utf8').trim())
  expect(stdout.trim().split('\n').length).toBeLessThanOrEqual(23)
  expect(stderr).toContain("--accept-loss 'mixed-to-text:Product.stock'")
  for (const step of ['Surveying', 'Carrying rows', 'Building keys', 'Comparing both sides']) {
    expect(stderr).toContain(step)
  }
  expect(stderr).not.toContain('\u001b')
  expect((await story.run(['certificate', 'verify', 'demo.certificate.json'])).exit).toBe(0)
})

test('what the demo left behind can be looked at and cleaned with its id alone', async () => {
  const { stdout } = await story.run(['migrations', 'list'])
  const [id = ''] = stdout.split(' ')
  expect((await story.run(['migrations', 'rejects', id])).exit).toBe(0)
  expect((await story.run(['migrations', 'clean', id])).exit).toBe(0)
})
