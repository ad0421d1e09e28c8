/** How the translator says no: with the reason, which ends in the plan beside the source text. */
import { isSenseiError, SenseiError } from '@sensei/core/errors'

export function refuse(reason: string): never {
  throw new SenseiError('EXPRESSION_REFUSED', reason)
}

export type Attempt<T> =
  | { readonly value: T; readonly reason: null }
  | { readonly value: null; readonly reason: string }

/** Runs a translation; a refusal becomes its reason, anything else stays an error. */
export function attempt<T>(translate: () => T): Attempt<T> {
  try {
    return { value: translate(), reason: null }
  } catch (error) {
    if (isSenseiError(error, 'EXPRESSION_REFUSED')) return { value: null, reason: error.message }
    throw error
  }
}
