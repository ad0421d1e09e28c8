/** The name of a plan's content: equal plans have equal hashes, whatever their white space and key order in a file. */
import { canonicalHash } from './canonical-json.ts'
import type { Plan } from './plan.ts'

/** SHA-256, in hex, over the RFC 8785 form of the plan. */
export function planHash(plan: Plan): string {
  return canonicalHash(plan)
}
