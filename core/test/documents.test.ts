import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EVENT_MEANINGS } from '@sensei/core/events'
import { LIFECYCLE, STATES, TRANSITIONS } from '@sensei/core/lifecycle'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

async function rowsOf(page: string): Promise<readonly (readonly string[])[]> {
  const text = await readFile(join(root, 'docs', page), 'utf8')
  return text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.slice(2, -2).split(' | '))
}

test('docs/lifecycle.md lists exactly the transitions that the lifecycle allows', async () => {
  const allowed = STATES.flatMap((state) =>
    TRANSITIONS.flatMap((event) => {
      const next = LIFECYCLE[state][event]
      if (next === null) return []
      return [
        [
          `\`${state}\``,
          `\`${event}\``,
          next === 'phase' ? 'the phase that failed' : `\`${next}\``,
        ],
      ]
    }),
  )
  expect(await rowsOf('lifecycle.md')).toEqual(allowed)
})

test('docs/events.md lists exactly the events there are, with their payloads and meanings', async () => {
  const source = await readFile(join(root, 'core/events.ts'), 'utf8')
  const payloads = source.slice(
    source.indexOf('interface EventPayloads'),
    source.indexOf('type EventName'),
  )
  const events = Object.entries(EVENT_MEANINGS).map(([name, meaning]) => {
    const declared = new RegExp(`^  ${name}: (.*?)(?=^  \\w+: |^})`, 'ms').exec(payloads)?.[1] ?? ''
    const fields = [...declared.matchAll(/readonly (\w+):/g)].map(([, field]) => `\`${field}\``)
    return [`\`migration.${name}\``, fields.join(', ') || '–', meaning]
  })
  expect(await rowsOf('events.md')).toEqual(events)
})
