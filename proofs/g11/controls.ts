/**
 * Negative controls of G11: a temporary copy of core/ with one mechanism cut out by editing its text. Against it the
 * search of the proof must find forgeries that pass; otherwise it would not notice if the mechanism were missing.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { SenseiError } from '@sensei/core/errors'
import type { Verify } from '../g11-certificate.ts'

const repository = path.join(import.meta.dirname, '../..')

export interface Control {
  readonly name: string
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[]
}

const NO_SIGNATURE = {
  file: 'certificate/verify.ts',
  from: 'if (!isSignatureOf(bytes, message, key)) {',
  to: 'if (!isSignatureOf(bytes, message, key) && false) {',
}
const NO_FORM = {
  file: 'certificate/envelope.ts',
  from: 'return parseCanonicalJson(bytes)',
  to: 'return parseStrictJson(bytes)',
}

export const CONTROLS: readonly Control[] = [
  { name: 'the signature check', edits: [NO_SIGNATURE] },
  {
    name: 'the one form of the envelope',
    edits: [
      NO_FORM,
      {
        file: 'certificate/envelope.ts',
        from: 'import { parseCanonicalJson }',
        to: 'import { parseStrictJson }',
      },
    ],
  },
  {
    name: 'the one form of base64',
    edits: [
      {
        file: 'certificate/envelope.ts',
        from: "if (bytes.toString('base64') !== encoded)",
        to: "if (bytes.toString('base64') !== encoded && false)",
      },
    ],
  },
  {
    name: 'the refusal of double keys and the one form',
    edits: [
      {
        file: 'strict-json.ts',
        from: 'if (keys?.has(key)) {',
        to: 'if (keys?.has(key) && false) {',
      },
      {
        file: 'strict-json.ts',
        from: 'if (!isCanonicalJson(bytes, value)) {',
        to: 'if (isCanonicalJson(bytes, value) === null) {',
      },
    ],
  },
]

/** `verifyCertificate` of a copy without the mechanism. Throws if an edit does not fit the text any more. */
export async function patchedVerify(control: Control): Promise<Verify> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sensei-g11-control-'))
  try {
    const core = path.join(folder, 'core')
    cpSync(path.join(repository, 'core'), core, {
      recursive: true,
      filter: (from) => !/\/(node_modules|test)$/.test(from),
    })
    symlinkSync(path.join(repository, 'node_modules'), path.join(folder, 'node_modules'))
    for (const { file, from, to } of control.edits) edit(path.join(core, file), from, to)
    const url = pathToFileURL(path.join(core, 'certificate/verify.ts')).href
    const module = (await import(/* @vite-ignore */ url)) as { verifyCertificate: Verify }
    return module.verifyCertificate
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function edit(file: string, from: string, to: string): void {
  const text = readFileSync(file, 'utf8')
  if (text.split(from).length !== 2) {
    throw new SenseiError('INTERNAL', `the negative control no longer fits ${file}: ${from}`)
  }
  writeFileSync(file, text.replace(from, to))
}
