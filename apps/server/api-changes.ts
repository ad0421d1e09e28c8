/**
 * What a client that was written against one description of the API would meet in another one: something that is gone, that
 * has to be sent now, or that no longer fits. What is merely new is no breach: another operation, field, or status, and
 * another word in an answer, which a client has to bear.
 */
interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly format?: string
  readonly pattern?: string
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly minLength?: number
  readonly minItems?: number
  readonly maximum?: number
  readonly exclusiveMaximum?: number
  readonly maxLength?: number
  readonly maxItems?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
  readonly anyOf?: readonly Schema[]
}

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly schema: Schema
}

interface Content {
  readonly required?: boolean
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>
}

interface Operation {
  readonly operationId?: string
  readonly security?: readonly unknown[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: Content
  readonly responses?: Readonly<Record<string, Content>>
}

export interface ApiDescription {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> }
}

/** One line for each, which begins with the operation and the place in it: `POST /v1/members body.email: …`. */
export function breakingChanges(before: ApiDescription, after: ApiDescription): string[] {
  const comparison = new Comparison(before, after)
  for (const [path, methods] of Object.entries(before.paths)) {
    for (const [method, was] of Object.entries(methods)) {
      const place = `${method.toUpperCase()} ${path}`
      const is = after.paths[path]?.[method]
      if (is === undefined) comparison.found.push(`${place} is gone`)
      else comparison.operation(place, was, is)
    }
  }
  return [...new Set(comparison.found)]
}

/** A client writes what is sent and reads what is answered: there the new has to take all of the old, here to give no more. */
type Way = 'sent' | 'answered'

class Comparison {
  readonly found: string[] = []
  readonly #before: ApiDescription
  readonly #after: ApiDescription
  /** Named schemas that this body or answer was compared in: one may refer to itself. */
  #seen: Set<string>

  constructor(before: ApiDescription, after: ApiDescription, seen: Iterable<string> = []) {
    this.#before = before
    this.#after = after
    this.#seen = new Set(seen)
  }

  operation(place: string, was: Operation, is: Operation): void {
    if (was.operationId !== is.operationId)
      this.found.push(`${place} is called ${is.operationId}, not ${was.operationId}`)
    if (was.security?.length === 0 && is.security?.length !== 0)
      this.found.push(`${place} asks for credentials`)
    this.#parameters(place, was.parameters ?? [], is.parameters ?? [])
    this.#content(`${place} body`, was.requestBody, is.requestBody, 'sent')
    if (was.requestBody?.required !== true && is.requestBody?.required === true)
      this.found.push(`${place} body has to be sent now`)
    for (const [status, answer] of Object.entries(was.responses ?? {})) {
      const now = is.responses?.[status]
      if (now === undefined) this.found.push(`${place} ${status} is gone`)
      else this.#content(`${place} ${status}`, answer, now, 'answered')
    }
  }

  #parameters(place: string, was: readonly Parameter[], is: readonly Parameter[]): void {
    const key = (one: Parameter): string => `${one.in} ${one.name}`
    for (const one of was) {
      const now = is.find((other) => key(other) === key(one))
      if (now === undefined) this.found.push(`${place} ${key(one)} is gone`)
      else this.#schema(`${place} ${key(one)}`, one.schema, now.schema, 'sent')
    }
    for (const one of is) {
      const old = was.find((other) => key(other) === key(one))
      if (one.required === true && old?.required !== true)
        this.found.push(`${place} ${key(one)} has to be sent now`)
    }
  }

  #content(place: string, was: Content | undefined, is: Content | undefined, way: Way): void {
    for (const [type, { schema = {} }] of Object.entries(was?.content ?? {})) {
      const now = is?.content?.[type]
      this.#seen = new Set()
      if (now === undefined) this.found.push(`${place} is no ${type} any more`)
      else this.#schema(place, schema, now.schema ?? {}, way)
    }
  }

  #schema(place: string, old: Schema, present: Schema, way: Way): void {
    if (old.$ref !== undefined && present.$ref !== undefined) {
      const pair = `${way} ${old.$ref} ${present.$ref}`
      if (this.#seen.has(pair)) return
      this.#seen.add(pair)
    }
    const was = resolved(this.#before, old)
    const is = resolved(this.#after, present)
    if (was.anyOf !== undefined || is.anyOf !== undefined) {
      this.#alternatives(place, was, is, way)
      return
    }
    const objection = way === 'sent' ? narrower(was, is) : otherAnswer(was, is)
    if (objection !== null) this.found.push(`${place}: ${objection}`)
    else this.#parts(place, was, is, way)
  }

  #parts(place: string, was: Schema, is: Schema, way: Way): void {
    for (const [name, field] of Object.entries(was.properties ?? {})) {
      const now = is.properties?.[name]
      if (now === undefined) this.found.push(`${place}.${name} is gone`)
      else this.#schema(`${place}.${name}`, field, now, way)
    }
    const [must, mustNow] = [new Set(was.required), new Set(is.required)]
    if (way === 'sent') {
      for (const name of mustNow)
        if (!must.has(name)) this.found.push(`${place}.${name} has to be sent now`)
      if (was.additionalProperties !== false && is.additionalProperties === false)
        this.found.push(`${place} takes no other fields any more`)
    } else {
      for (const name of must)
        if (!mustNow.has(name) && is.properties?.[name] !== undefined)
          this.found.push(`${place}.${name} may be missing now`)
    }
    for (const [part, shown] of [
      ['items', '[]'],
      ['additionalProperties', '.*'],
    ] as const) {
      const [from, to] = [was[part], is[part]]
      if (isSchema(from) && isSchema(to)) this.#schema(`${place}${shown}`, from, to, way)
    }
  }

  /** Each alternative of the narrower side has to find one of the other side that suits it. */
  #alternatives(place: string, was: Schema, is: Schema, way: Way): void {
    const [old, present] = [was.anyOf ?? [was], is.anyOf ?? [is]]
    const suits = (one: Schema, other: Schema): boolean => {
      const attempt = new Comparison(this.#before, this.#after, this.#seen)
      attempt.#schema(place, one, other, way)
      return attempt.found.length === 0
    }
    const lost =
      way === 'sent'
        ? old.filter((one) => !present.some((other) => suits(one, other)))
        : present.filter((other) => !old.some((one) => suits(one, other)))
    if (lost.length === 0) return
    // With one alternative beside null on both sides, what is wrong with it says more.
    const solid = (all: readonly Schema[]) => all.filter((one) => one.type !== 'null')
    const [[from, ...more], [to, ...others]] = [solid(old), solid(present)]
    const same = lost.every((one) => one.type !== 'null')
    if (same && from !== undefined && to !== undefined && more.length + others.length === 0)
      this.#schema(place, from, to, way)
    else
      for (const one of lost)
        this.found.push(
          `${place}: ${way === 'sent' ? 'does not take' : 'may be'} ${described(one)}${way === 'sent' ? ' any more' : ' now'}`,
        )
  }
}

const LOWEST = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems'] as const
const HIGHEST = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems'] as const

/** What the new one refuses of what the old one took; null for nothing. */
function narrower(was: Schema, is: Schema): string | null {
  const [old, present] = [wordsOf(was), wordsOf(is)]
  const lost = old?.filter((word) => present !== null && !present.includes(word)) ?? []
  if (lost.length > 0) return `does not take ${lost.join(', ')} any more`
  if (old === null && present !== null) return `takes only ${present.join(', ')}`
  const types = typesOf(was).filter((type) => !takes(typesOf(is), type))
  if (types.length > 0) return `does not take ${types.join(', ')} any more`
  for (const name of LOWEST)
    if ((is[name] ?? -Infinity) > (was[name] ?? -Infinity))
      return `${name} is ${is[name]}, not ${was[name] ?? 'open'}`
  for (const name of HIGHEST)
    if ((is[name] ?? Infinity) < (was[name] ?? Infinity))
      return `${name} is ${is[name]}, not ${was[name] ?? 'open'}`
  for (const name of ['format', 'pattern'] as const)
    if (is[name] !== undefined && is[name] !== was[name])
      return `${name} is ${is[name]}, not ${was[name] ?? 'free'}`
  return null
}

/** Words may be added to an answer; another type may not. */
function otherAnswer(was: Schema, is: Schema): string | null {
  const types = typesOf(is).filter((type) => !takes(typesOf(was), type))
  if (types.length > 0) return `may be ${types.join(', ')} now`
  if (was.format !== undefined && is.format !== was.format)
    return `format is ${is.format ?? 'free'}, not ${was.format}`
  return null
}

const ANY = 'anything'

function takes(types: readonly string[], type: string): boolean {
  if (types.includes(ANY) || types.includes(type)) return true
  return type === 'integer' && types.includes('number')
}

function typesOf(schema: Schema): readonly string[] {
  const { type } = schema
  if (type !== undefined) return typeof type === 'string' ? [type] : type
  return wordsOf(schema)?.map((one) => (one === null ? 'null' : typeof one)) ?? [ANY]
}

function wordsOf(schema: Schema): readonly unknown[] | null {
  return schema.enum ?? (schema.const === undefined ? null : [schema.const])
}

function isSchema(part: Schema | boolean | undefined): part is Schema {
  return typeof part === 'object'
}

function described(schema: Schema): string {
  if (schema.$ref !== undefined) return nameOf(schema.$ref)
  return wordsOf(schema)?.join(', ') ?? typesOf(schema).join(', ')
}

function resolved(description: ApiDescription, schema: Schema): Schema {
  if (schema.$ref === undefined) return schema
  return description.components?.schemas?.[nameOf(schema.$ref)] ?? {}
}

function nameOf(reference: string): string {
  return reference.split('/').at(-1) ?? reference
}
