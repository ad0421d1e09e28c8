import { describe, expect, test } from 'vitest'
import { measure } from '../measure.ts'

const MB_KB = 1_024

function node(script: string, timeoutMs = 20_000) {
  return { program: process.execPath, args: ['-e', script], timeoutMs }
}

describe('measuring a command', () => {
  test('its exit code, time, processor time and output are told', async () => {
    // Busy by its own processor time: on a machine that is shared, time on the wall is none.
    const script = `console.log('out'); const busy = () => { const { user, system } = process.cpuUsage(); return user + system }; while (busy() < 400_000); process.exit(7)`
    const usage = await measure(node(script))
    expect(usage.exitCode).toBe(7)
    expect(usage.stdout).toBe('out\n')
    expect(usage.seconds).toBeGreaterThan(0.3)
    expect(usage.cpuSeconds).toBeGreaterThan(0.3)
  })

  test('memory held by a child of the command is seen, once in the sum of PSS', async () => {
    const child = `const held = Buffer.alloc(120 << 20, 1); setTimeout(() => held.length, 3000)`
    const parent = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}])`
    const { memory } = await measure(node(parent), { sample: true })
    expect(memory?.processes).toBe(2)
    expect(memory?.singleRssKb).toBeGreaterThan(120 * MB_KB)
    expect(memory?.sumPssKb).toBeGreaterThan(120 * MB_KB)
    expect(memory?.sumPssKb).toBeLessThan(memory?.sumRssKb ?? 0)
  })

  test('what does not end in time is ended with everything it started', async () => {
    const usage = await measure(node('setInterval(() => 1, 1000)', 500))
    expect(usage.exitCode).toBe(137)
    expect(usage.seconds).toBeLessThan(10)
  })
})
