/** The program as the compiler sees it, and by name: who calls what, and who writes which property or variable. */
import path from 'node:path'
import { API, type Checker, type Program, type Symbol as Named } from 'typescript/unstable/sync'
import {
  type Expression,
  isArrayLiteralExpression,
  isAsExpression,
  isBinaryExpression,
  isCallExpression,
  isElementAccessExpression,
  isIdentifier,
  isMethodDeclaration,
  isNewExpression,
  isParenthesizedExpression,
  isPrivateIdentifier,
  isPropertyAccessExpression,
  isPropertyAssignment,
  isShorthandPropertyAssignment,
  type Node,
  type SourceFile,
  SyntaxKind,
} from 'typescript/unstable/ast'

import { isFunctionLike } from './syntax.ts'

export interface Call {
  /** The name that is called: `b` of `a.b(c)`. */
  readonly name: Node & { readonly text: string }
  readonly receiver: Expression | null
  readonly args: readonly Expression[]
  readonly node: Node
}

export interface Write {
  /** The name that is written, or the property of a literal. */
  readonly target: Node
  readonly value: Expression
  /** For a property of a literal. */
  readonly literal: Expression | null
}

const PUTS = new Set(['push', 'unshift', 'set', 'add'])
const WRITES: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.EqualsToken,
  SyntaxKind.PlusEqualsToken,
  SyntaxKind.QuestionQuestionEqualsToken,
  SyntaxKind.BarBarEqualsToken,
])

export class ProgramIndex {
  readonly program: Program
  readonly checker: Checker
  readonly files: readonly SourceFile[]
  readonly #api: API
  /** The types of `x as T` and of `f<T>(…)`: whatever is claimed there, nobody checks it. */
  readonly claims: Node[] = []
  readonly #calls = new Map<string, Call[]>()
  readonly #writes = new Map<string, Write[]>()
  readonly #functions = new Map<string, Node[]>()
  /** Names that are given away instead of called: `list.map(name)`. */
  readonly #given = new Map<string, { readonly name: Node; readonly call: Call; at: number }[]>()

  /** `wanted` chooses files by their path from `root`. */
  constructor(root: string, config: string, wanted: (file: string) => boolean) {
    this.#api = new API({ cwd: root })
    const project = this.#api.updateSnapshot({ openProjects: [config] }).getProject(config)
    if (project === undefined) throw new TypeError(`${config} is no project`)
    this.program = project.program
    this.checker = project.checker
    this.files = this.program
      .getSourceFileNames()
      .filter((file) => wanted(path.relative(root, file)))
      .flatMap((file) => this.program.getSourceFile(file) ?? [])
    for (const file of this.files) this.#take(file)
  }

  close(): void {
    this.#api.close()
  }

  calls(): Iterable<Call> {
    return this.#calls.values().flatMap((calls) => calls)
  }

  callsOf(name: string): readonly Call[] {
    return this.#calls.get(name) ?? []
  }

  givenAway(name: string): readonly { readonly name: Node; readonly call: Call; at: number }[] {
    return this.#given.get(name) ?? []
  }

  /** Methods, and functions that stand under that name in an object. */
  functionsOf(name: string): readonly Node[] {
    return this.#functions.get(name) ?? []
  }

  writesOf(name: string): readonly Write[] {
    return this.#writes.get(name) ?? []
  }

  /** What a name stands for, behind its imports. */
  symbolOf(name: Node): Named | undefined {
    const symbol = this.checker.getSymbolAtLocation(name)
    const declared = symbol?.declarations.some(({ kind }) => IMPORTS.has(kind)) === true
    return symbol !== undefined && declared ? this.checker.getAliasedSymbol(symbol) : symbol
  }

  #take(node: Node): void {
    if (isCallExpression(node) || isNewExpression(node)) this.#takeCall(callOf(node))
    if (isMethodDeclaration(node) && isIdentifier(node.name))
      push(this.#functions, node.name.text, node)
    if (isPropertyAssignment(node) && isFunctionLike(node.initializer))
      push(this.#functions, node.name.getText(), node.initializer)
    if (isAsExpression(node)) this.claims.push(node.type)
    if (isCallExpression(node)) this.claims.push(...(node.typeArguments ?? []))
    if (isBinaryExpression(node) && WRITES.has(node.operatorToken.kind))
      this.#write(node.left, node.right)
    if (isPropertyAssignment(node) && isIdentifier(node.name))
      this.#keep(node.name.text, node.name, node.initializer, node.parent as Expression)
    if (isShorthandPropertyAssignment(node) && isIdentifier(node.name))
      this.#keep(node.name.text, node.name, node.name, node.parent as Expression)
    node.forEachChild((child) => this.#take(child))
  }

  #takeCall(call: Call | null): void {
    if (call === null) return
    push(this.#calls, call.name.text, call)
    for (const [at, name] of call.args.entries())
      if (isIdentifier(name)) push(this.#given, name.text, { name, call, at })
    // What a list or a map is filled with is written to it.
    if (call.receiver !== null && PUTS.has(call.name.text))
      for (const value of call.args) this.#write(call.receiver, value)
  }

  #write(place: Expression, value: Expression): void {
    if (isArrayLiteralExpression(place)) {
      for (const part of place.elements) this.#write(part, value)
    } else if (isElementAccessExpression(place) || isParenthesizedExpression(place)) {
      this.#write(place.expression, value)
    } else {
      const name = isPropertyAccessExpression(place) ? place.name : place
      if (isIdentifier(name) || isPrivateIdentifier(name)) this.#keep(name.text, name, value, null)
    }
  }

  #keep(name: string, target: Node, value: Expression, literal: Expression | null): void {
    push(this.#writes, name, { target, value, literal })
  }
}

const IMPORTS: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.ImportSpecifier,
  SyntaxKind.ImportClause,
  SyntaxKind.ExportSpecifier,
])

/** Null where nothing with a name is called. */
export function callOf(node: Node): Call | null {
  if (!isCallExpression(node) && !isNewExpression(node)) return null
  const { expression } = node
  const args = node.arguments ?? []
  if (isIdentifier(expression)) return { name: expression, receiver: null, args, node }
  if (!isPropertyAccessExpression(expression)) return null
  const { name } = expression
  if (!isIdentifier(name) && !isPrivateIdentifier(name)) return null
  return { name, receiver: expression.expression, args, node }
}

function push<V>(map: Map<string, V[]>, name: string, value: V): void {
  const known = map.get(name)
  if (known === undefined) map.set(name, [value])
  else known.push(value)
}
