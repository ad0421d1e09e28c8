/**
 * Where the text of SQL comes from. The text that a statement is made of is followed backwards through the whole program:
 * through templates, concatenation, lists, constants, returns, parameters (to all calls) and properties (to all writes).
 * It ends at what may stand in SQL: a literal of ours, a number, one of a few words (a union of literals), or what the
 * quoting functions of core/sql.ts returned. Anything else is a root: a text from outside.
 *
 * It trusts the types, and it takes any value of a list or a map for every value of it.
 */
import path from 'node:path'
import { type Symbol as Named, type Type, TypeFlags } from 'typescript/unstable/sync'
import {
  type BindingElement,
  type Expression,
  isArrayBindingPattern,
  isArrowFunction,
  isAsExpression,
  isBinaryExpression,
  isBindingElement,
  isConditionalExpression,
  isConstructorDeclaration,
  isForOfStatement,
  isFunctionDeclaration,
  isFunctionExpression,
  isIdentifier,
  isMethodDeclaration,
  isPrivateIdentifier,
  isObjectLiteralExpression,
  isParameterDeclaration,
  isPropertyAccessExpression,
  isPropertyAssignment,
  isPropertyDeclaration,
  isShorthandPropertyAssignment,
  isTaggedTemplateExpression,
  isTemplateExpression,
  isVariableDeclaration,
  type Node,
  type ParameterDeclaration,
  SyntaxKind,
} from 'typescript/unstable/ast'
import { type Call, callOf, type ProgramIndex } from './program-index.ts'
import {
  isFunctionLike,
  isSafe,
  isText,
  LITERALS,
  MAPPING,
  nameOf,
  PASSING,
  returnsOf,
  TRANSPARENT,
} from './syntax.ts'

/** A text from outside, and where it stands. */
export interface Root {
  readonly file: string
  readonly line: number
  readonly text: string
}

export interface Finding {
  /** Where the statement is made. */
  readonly at: Root
  readonly roots: readonly Root[]
}

/** What sends its first argument to a database. The same names, where they take it as a parameter, pass it on. */
const SINKS = new Set(['query', 'statement', 'exec', 'prepare', 'CopyIn', 'CopyOut'])
const QUOTERS = new Set(['quoteIdent', 'quoteQualified', 'quoteLiteral'])

export class SqlFlow {
  readonly #index: ProgramIndex
  readonly #root: string
  readonly #outside: (file: string) => boolean
  readonly #known = new Map<Node, readonly Root[]>()
  /** Types that are claimed for what a database or a parser returned. */
  readonly #read = new Set<Node>()

  /** Texts of types that are declared in a file which is `outside` came from there, whoever else writes them. */
  constructor(index: ProgramIndex, root: string, outside: (file: string) => boolean) {
    this.#index = index
    this.#root = root
    this.#outside = outside
    for (const type of index.claims) this.#claim(type)
  }

  #claim(type: Node): void {
    if (this.#read.has(type)) return
    this.#read.add(type)
    const { typeName } = type as unknown as { typeName?: Node }
    const symbol = typeName === undefined ? undefined : this.#index.symbolOf(typeName)
    for (const node of symbol === undefined ? [] : this.#declarations(symbol))
      if (!/node_modules/.test(node.getSourceFile().fileName)) this.#claim(node)
    type.forEachChild((child) => this.#claim(child))
  }

  /** Every statement, in files that `wanted` chooses, whose text has a root. */
  findings(wanted: (file: string) => boolean): Finding[] {
    const found: Finding[] = []
    for (const call of this.#index.calls()) {
      const [text] = call.args
      const at = this.#place(call.node)
      if (text === undefined || !wanted(at.file) || !this.#sends(call, text)) continue
      const roots = new Map(
        this.#statement(text).map((root) => [`${root.file}:${root.line}:${root.text}`, root]),
      )
      if (roots.size > 0) found.push({ at, roots: [...roots.values()] })
    }
    return found
  }

  /** Not a regular expression, and not a function that makes a text and is called the same. */
  #sends(call: Call, text: Expression): boolean {
    const raw = call.name.text === 'raw' && call.receiver?.getText() === 'sql'
    if ((!raw && !SINKS.has(call.name.text)) || this.#ofTheLanguage(call)) return false
    const { checker } = this.#index
    const answer = checker.getTypeAtLocation(call.node)
    if (answer !== undefined && (answer.flags & TypeFlags.StringLike) !== 0) return false
    const type = checker.getTypeAtLocation(text)
    return (
      type === undefined || isText(type) || checker.getPropertyOfType(type, 'text') !== undefined
    )
  }

  /** A statement is a text, or an object that holds one. */
  #statement(node: Expression): readonly Root[] {
    if (isObjectLiteralExpression(node)) {
      return node.properties.flatMap((property) => {
        if (isPropertyAssignment(property) && this.#source(property.name) === 'text')
          return this.#flow(property.initializer)
        return isShorthandPropertyAssignment(property) && this.#source(property.name) === 'text'
          ? this.#flow(property.name)
          : []
      })
    }
    const type = this.#index.checker.getTypeAtLocation(node)
    const text =
      type === undefined || isText(type)
        ? undefined
        : this.#index.checker.getPropertyOfType(type, 'text')
    return text === undefined ? this.#flow(node) : this.#symbol(text, node)
  }

  #flow(node: Node): readonly Root[] {
    const known = this.#known.get(node)
    if (known !== undefined) return known
    // A cycle adds nothing of its own.
    this.#known.set(node, [])
    const roots = this.#look(node)
    this.#known.set(node, roots)
    return roots
  }

  #all(nodes: Iterable<Node>): Root[] {
    return [...nodes].flatMap((node) => this.#flow(node))
  }

  #look(node: Node): readonly Root[] {
    if (LITERALS.has(node.kind)) return []
    if (TRANSPARENT.has(node.kind)) {
      const { expression } = node as unknown as { expression?: Node }
      if (isAsExpression(node) && this.#safe(node)) return []
      return expression === undefined || this.#safe(node) ? [] : this.#flow(expression)
    }
    if (isTemplateExpression(node))
      return this.#all(node.templateSpans.map(({ expression }) => expression))
    if (isConditionalExpression(node)) return this.#all([node.whenTrue, node.whenFalse])
    if (isArrowFunction(node) || isFunctionExpression(node)) return this.#all(returnsOf(node))
    if (node.kind === SyntaxKind.ArrayLiteralExpression)
      return this.#all((node as unknown as { elements: Node[] }).elements)
    if (isObjectLiteralExpression(node)) return this.#all(node.properties)
    if (isPropertyAssignment(node)) return this.#flow(node.initializer)
    if (isShorthandPropertyAssignment(node)) {
      const value = this.#index.checker.getShorthandAssignmentValueSymbol(node)
      return value === undefined ? this.#leaf(node) : this.#symbol(value, node)
    }
    if (isMethodDeclaration(node)) return this.#all(returnsOf(node))
    if (this.#safe(node)) return []
    if (isBinaryExpression(node))
      return node.operatorToken.kind === SyntaxKind.AmpersandAmpersandToken
        ? this.#flow(node.right)
        : this.#all([node.left, node.right])
    if (isTaggedTemplateExpression(node))
      return node.tag.getText() === 'sql' ? [] : this.#flow(node.template)
    const call = callOf(node)
    if (call !== null) return this.#call(call)
    if (isIdentifier(node) || isPropertyAccessExpression(node)) {
      const name = isIdentifier(node) ? node : node.name
      const symbol = this.#index.symbolOf(name)
      return symbol === undefined ? this.#leaf(node) : this.#symbol(symbol, node)
    }
    return this.#leaf(node)
  }

  #call(call: Call): readonly Root[] {
    const symbol = this.#index.symbolOf(call.name)
    const declared = symbol === undefined ? [] : this.#declarations(symbol)
    if (declared.some((node) => this.#quotes(node))) return []
    if (this.#ofTheLanguage(call)) {
      const { text } = call.name
      const functions = call.args.filter((arg) => this.#isFunction(arg))
      if (MAPPING.has(text) && functions.length > 0) {
        const self = text.startsWith('replace') && call.receiver !== null ? [call.receiver] : []
        return this.#all([...functions, ...self])
      }
      if (!PASSING.has(text)) return this.#leaf(call.node)
      const given = call.args.filter((arg) => !functions.includes(arg))
      return this.#all(
        call.receiver === null || this.#isNamespace(call.receiver)
          ? given
          : [call.receiver, ...given],
      )
    }
    const bodies = declared.flatMap((node) => this.#implementations(node))
    return bodies.length === 0 ? this.#leaf(call.node) : this.#all(bodies.flatMap(returnsOf))
  }

  #symbol(symbol: Named, at: Node): readonly Root[] {
    const declared = this.#declarations(symbol)
    return declared.length === 0
      ? this.#leaf(at)
      : declared.flatMap((node) => this.#declared(node, symbol.name))
  }

  #declared(node: Node, name: string): readonly Root[] {
    const known = this.#known.get(node)
    if (known !== undefined) return known
    this.#known.set(node, [])
    const roots = this.#lookAt(node, name)
    this.#known.set(node, roots)
    return roots
  }

  #lookAt(node: Node, symbolName: string): readonly Root[] {
    if (this.#quotes(node) || this.#safe(node)) return []
    // The compiler's own name of a private one is another.
    const { name: named } = node as unknown as { name?: Node }
    const name =
      named !== undefined && (isIdentifier(named) || isPrivateIdentifier(named))
        ? named.text
        : symbolName
    const written =
      isPropertyDeclaration(node) || node.kind === SyntaxKind.PropertySignature
        ? []
        : this.#all(this.#written(node, name))
    if (isParameterDeclaration(node)) return [...this.#parameter(node), ...written]
    if (isBindingElement(node)) return [...this.#bound(node), ...written]
    if (isVariableDeclaration(node)) {
      const loop = node.parent.parent
      if (isForOfStatement(loop)) return [...this.#flow(loop.expression), ...written]
      if (node.initializer !== undefined) return [...this.#flow(node.initializer), ...written]
      return this.#written(node, name).length === 0 ? this.#leaf(node) : written
    }
    if (isPropertyAssignment(node) || isShorthandPropertyAssignment(node))
      return [...this.#flow(node), ...written]
    if (isPropertyDeclaration(node) || node.kind === SyntaxKind.PropertySignature) {
      if (this.#outside(this.#place(node).file) || this.#read.has(node.parent))
        return this.#leaf(node)
      const first =
        isPropertyDeclaration(node) && node.initializer !== undefined ? [node.initializer] : []
      const values = [...first, ...this.#written(node, name)]
      return values.length === 0 ? this.#leaf(node) : this.#all(values)
    }
    const bodies = this.#implementations(node)
    return bodies.length === 0 ? this.#leaf(node) : this.#all(bodies.flatMap(returnsOf))
  }

  /** Whatever is assigned, pushed, or given by a literal of a type that has it. */
  #written(node: Node, name: string): Expression[] {
    const { checker } = this.#index
    return this.#index.writesOf(name).flatMap(({ target, value, literal }) => {
      if (target.parent === node) return []
      if (literal === null)
        return this.#index.symbolOf(target)?.declarations.some((one) => one.resolve() === node)
          ? [value]
          : []
      if (node.kind !== SyntaxKind.PropertySignature && !isPropertyDeclaration(node)) return []
      const wanted = checker.getContextualType(literal)
      const type = wanted === undefined ? undefined : checker.getNonNullableType(wanted)
      const property = type === undefined ? undefined : checker.getPropertyOfType(type, name)
      if (property !== undefined) return this.#declarations(property).includes(node) ? [value] : []
      const owner = node.kind === SyntaxKind.PropertySignature ? this.#ownerOf(node) : undefined
      const own = checker.getTypeAtLocation(literal)
      return owner !== undefined && own !== undefined && checker.isTypeAssignableTo(own, owner)
        ? [value]
        : []
    })
  }

  #ownerOf(node: Node): Type | undefined {
    return this.#index.checker.getTypeAtLocation(node.parent)
  }

  #bound(node: BindingElement): readonly Root[] {
    const pattern = node.parent
    const first = node.initializer === undefined ? [] : this.#flow(node.initializer)
    const holder = pattern.parent
    if (isArrayBindingPattern(pattern) || node.dotDotDotToken !== undefined) {
      if (isBindingElement(holder)) return [...first, ...this.#bound(holder)]
      return [...first, ...this.#declared(holder, '')]
    }
    const type = this.#index.checker.getTypeAtLocation(pattern)
    const name = this.#source(node.propertyName ?? node.name ?? node)
    const property =
      type === undefined ? undefined : this.#index.checker.getPropertyOfType(type, name)
    return [...first, ...(property === undefined ? this.#leaf(node) : this.#symbol(property, node))]
  }

  #parameter(node: ParameterDeclaration): readonly Root[] {
    const owner = node.parent as Node
    const at = (owner as unknown as { parameters: Node[] }).parameters.indexOf(node)
    const first = node.initializer === undefined ? [] : this.#flow(node.initializer)
    if (at === 0 && this.#isSink(owner)) return first
    if (isArrowFunction(owner) || isFunctionExpression(owner)) {
      const call = callOf(owner.parent)
      if (call !== null && call.args.includes(owner)) {
        // A method of a list hands over its values.
        if (!this.#ofTheLanguage(call)) return this.#leaf(node)
        const subject =
          call.receiver === null || this.#isNamespace(call.receiver)
            ? call.args.slice(0, 1)
            : [call.receiver]
        return [...first, ...this.#all(subject)]
      }
    }
    const given = [...this.#argumentsFor(owner, at, node.dotDotDotToken !== undefined)]
    return given.length === 0 && first.length === 0 && node.initializer === undefined
      ? this.#leaf(node)
      : [...first, ...this.#all(given)]
  }

  /** Its callers are looked at themselves. */
  #isSink(owner: Node): boolean {
    const { type } = owner as unknown as { type?: Node }
    if (type?.kind === SyntaxKind.StringKeyword) return false
    if (SINKS.has(nameOf(owner))) return true
    const wanted = isArrowFunction(owner) ? this.#index.checker.getContextualType(owner) : undefined
    return wanted?.getAliasSymbol()?.name === 'Query'
  }

  *#argumentsFor(owner: Node, at: number, rest: boolean): Generator<Node> {
    const name = nameOf(owner)
    for (const call of this.#index.callsOf(name)) {
      if (!this.#leadsTo(call.name, owner)) continue
      const spread = call.args
        .slice(0, at + 1)
        .find(({ kind }) => kind === SyntaxKind.SpreadElement)
      const args = rest ? call.args.slice(at) : call.args.slice(at, at + 1)
      yield* spread === undefined ? args : [spread]
    }
    for (const { name: used, call } of this.#index.givenAway(name)) {
      if (!this.#leadsTo(used, owner)) continue
      if (this.#ofTheLanguage(call) && call.receiver !== null) yield call.receiver
    }
  }

  /** A call of an interface's method may lead to every method of that name. */
  #leadsTo(name: Node, owner: Node): boolean {
    const declared = this.#index.symbolOf(name)
    if (declared === undefined) return false
    const wanted = isConstructorDeclaration(owner)
      ? owner.parent
      : isMethodDeclaration(owner) || isFunctionDeclaration(owner)
        ? owner
        : owner.parent
    return this.#declarations(declared).some(
      (node) =>
        node === wanted ||
        ((isMethodDeclaration(owner) || wanted.kind === SyntaxKind.PropertyAssignment) &&
          (node.kind === SyntaxKind.MethodSignature || node.kind === SyntaxKind.PropertySignature)),
    )
  }

  #quotes(node: Node): boolean {
    return (
      isFunctionDeclaration(node) &&
      QUOTERS.has(node.name?.text ?? '') &&
      this.#place(node).file === 'core/sql.ts'
    )
  }

  /** Functions with a body that a declaration stands for. */
  #implementations(node: Node): Node[] {
    if (node.kind === SyntaxKind.MethodSignature) {
      const { name } = node as unknown as { name: Node }
      return [...this.#index.functionsOf(name.getText())]
    }
    // A function of a library is declared without a body: what it returns came from outside.
    if (isFunctionLike(node))
      return (node as unknown as { body?: Node }).body === undefined ? [] : [node]
    if (node.kind === SyntaxKind.PropertySignature) {
      const { name } = node as unknown as { name: Node }
      return this.#written(node, name.getText()).filter(isFunctionLike)
    }
    const { initializer } = node as unknown as { initializer?: Node }
    return initializer !== undefined && isFunctionLike(initializer) ? [initializer] : []
  }

  #isFunction(node: Node): boolean {
    if (isArrowFunction(node) || isFunctionExpression(node)) return true
    if (!isIdentifier(node)) return false
    const symbol = this.#index.symbolOf(node)
    return (
      symbol !== undefined &&
      this.#declarations(symbol).some((one) => this.#implementations(one).length > 0)
    )
  }

  #isNamespace(node: Node): boolean {
    return isIdentifier(node) && ['Array', 'Object', 'Promise', 'Map', 'String'].includes(node.text)
  }

  #ofTheLanguage(call: Call): boolean {
    const symbol = this.#index.symbolOf(call.name)
    return symbol?.declarations.some(({ path: file }) => /\/lib\.[^/]*\.d\.ts$/.test(file)) === true
  }

  #safe(node: Node): boolean {
    const type = this.#index.checker.getTypeAtLocation(node)
    return type !== undefined && isSafe(type)
  }

  #declarations(symbol: Named): Node[] {
    return symbol.declarations.flatMap((one) => one.resolve() ?? [])
  }

  #source(node: Node): string {
    return node.getText()
  }

  #leaf(node: Node): readonly Root[] {
    return [this.#place(node)]
  }

  #place(node: Node): Root {
    const file = node.getSourceFile()
    const { line } = file.getLineAndCharacterOfPosition(node.getStart())
    return {
      file: path.relative(this.#root, file.fileName),
      line: line + 1,
      text: node.getText().split('\n')[0] ?? '',
    }
  }
}
