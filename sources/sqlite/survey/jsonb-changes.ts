/** Whether jsonb would change the value of a JSON text: repeated keys, and numbers that it writes another way. */

/** `-0` and exponents are not written back as they came. */
const CHANGED_NUMBER = /^-0(\.0*)?$|[eE]/

export function jsonbChanges(bytes: Uint8Array, start: number, end: number): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8')
  const open: (Set<string> | null)[] = []
  // Strings, numbers and the signs that matter; the text is known to be JSON.
  const parts = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[{}[\]:,]/g
  let last = ''
  for (let part = parts.exec(text); part !== null; part = parts.exec(text)) {
    const token = part[0]
    const first = token.charAt(0)
    if (first === '{') open.push(new Set())
    else if (first === '[') open.push(null)
    else if (first === '}' || first === ']') open.pop()
    else if (first === ':') {
      const keys = open.at(-1)
      const key = JSON.parse(last) as string
      if (keys?.has(key) === true) return true
      keys?.add(key)
    } else if (first !== '"' && first !== ',' && CHANGED_NUMBER.test(token)) return true
    last = token
  }
  return false
}
