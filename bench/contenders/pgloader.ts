import { spawnSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { measure } from '../measure.ts'
import type { Contender } from './contender.ts'

/**
 * Debian's build dies with an exhausted heap at its default of 1 GB when values are large. The option belongs to the
 * Lisp runtime; its value is in MB and only a limit.
 */
const HEAP_MB = '8192'
const TIMEOUT_MS = 60 * 60_000

/** pgloader with the load files beside it in bench/pgloader: one for each dataset, at the best settings found. */
export const pgloader: Contender = {
  name: 'pgloader',
  title: 'pgloader',

  async version() {
    const package_ = spawnSync('dpkg-query', ['-W', '-f', '${Version}', 'pgloader'], {
      encoding: 'utf8',
    })
    const own = spawnSync('pgloader', ['--version'], { encoding: 'utf8' })
    const says = own.stdout.replaceAll(/\s+/g, ' ').trim()
    return package_.status === 0 ? `Debian ${package_.stdout} (says ${says})` : says
  },

  async prepare() {},

  async run(job) {
    const rejects = join(job.folder, 'pgloader')
    await mkdir(rejects, { recursive: true })
    const loadFile = join(import.meta.dirname, '../pgloader', `${job.data.dataset.name}.load`)
    const usage = await measure(
      {
        program: 'pgloader',
        args: ['--dynamic-space-size', HEAP_MB, '--root-dir', rejects, loadFile],
        env: {
          BENCH_SOURCE: `sqlite://${job.data.path}`,
          BENCH_TARGET: job.targetUrl.replace(/^postgres:/, 'postgresql:'),
        },
        timeoutMs: TIMEOUT_MS,
      },
      { sample: job.sample },
    )
    return usage
  },
}
