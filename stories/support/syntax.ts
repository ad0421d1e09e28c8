/** Kinds of syntax and types, as far as following a text needs them. */
import { type Type, TypeFlags } from 'typescript/unstable/sync'
import {
  isBlock,
  isClassDeclaration,
  isConstructorDeclaration,
  isFunctionDeclaration,
  isMethodDeclaration,
  isReturnStatement,
  isYieldExpression,
  type Node,
  SyntaxKind,
} from 'typescript/unstable/ast'

const SAFE =
  TypeFlags.NumberLike |
  TypeFlags.BigIntLike |
  TypeFlags.BooleanLike |
  TypeFlags.StringLiteral |
  TypeFlags.Null |
  TypeFlags.Undefined |
  TypeFlags.Void |
  TypeFlags.Never

export const TRANSPARENT: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.ParenthesizedExpression,
  SyntaxKind.AsExpression,
  SyntaxKind.NonNullExpression,
  SyntaxKind.SatisfiesExpression,
  SyntaxKind.AwaitExpression,
  SyntaxKind.SpreadElement,
  SyntaxKind.SpreadAssignment,
  SyntaxKind.ElementAccessExpression,
  SyntaxKind.YieldExpression,
])
export const LITERALS: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.StringLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.NumericLiteral,
  SyntaxKind.BigIntLiteral,
  SyntaxKind.RegularExpressionLiteral,
  SyntaxKind.OmittedExpression,
])
/** Methods of the language that return what they are called on, what they are given, or both. */
export const PASSING = new Set([
  'join',
  'concat',
  'slice',
  'flat',
  'at',
  'trim',
  'trimEnd',
  'trimStart',
  'toLowerCase',
  'toUpperCase',
  'repeat',
  'padStart',
  'padEnd',
  'replace',
  'replaceAll',
  'split',
  'toSorted',
  'sort',
  'reverse',
  'toReversed',
  'with',
  'keys',
  'values',
  'entries',
  'get',
  'toString',
  'String',
  'filter',
  'find',
  'findLast',
  'all',
  'freeze',
  'fromEntries',
  'pop',
  'shift',
  'Map',
  'Set',
  'toArray',
  'fill',
  'Array',
  'groupBy',
  'splice',
])
export const MAPPING = new Set(['map', 'flatMap', 'from', 'replace', 'replaceAll'])

const FUNCTIONS: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.ArrowFunction,
  SyntaxKind.FunctionExpression,
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
  SyntaxKind.Constructor,
])

export const isFunctionLike = ({ kind }: Node): boolean => FUNCTIONS.has(kind)

export function isText(type: Type): boolean {
  if (type.isUnionType()) return type.getTypes().some(isText)
  return (type.flags & (TypeFlags.StringLike | TypeFlags.Any | TypeFlags.Unknown)) !== 0
}

export function isSafe(type: Type): boolean {
  if (type.isUnionType()) return type.getTypes().every(isSafe)
  return (type.flags & SAFE) !== 0
}

export function nameOf(owner: Node): string {
  if (isConstructorDeclaration(owner) && isClassDeclaration(owner.parent))
    return owner.parent.name?.text ?? ''
  const named = isMethodDeclaration(owner) || isFunctionDeclaration(owner) ? owner : owner.parent
  const { name } = named as unknown as { name?: Node & { text?: string } }
  return name?.text ?? ''
}

/** What a function may return, without the functions within. */
export function returnsOf(node: Node): Node[] {
  const { body } = node as unknown as { body?: Node }
  if (body === undefined) return []
  if (!isBlock(body)) return [body]
  const found: Node[] = []
  const visit = (child: Node): void => {
    if (isFunctionLike(child)) return
    if ((isReturnStatement(child) || isYieldExpression(child)) && child.expression !== undefined)
      found.push(child.expression)
    child.forEachChild(visit)
  }
  body.forEachChild(visit)
  return found
}
