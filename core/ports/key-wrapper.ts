/**
 * Wraps the data keys of secrets under a key-encryption key that has an id. Keys of this machine are one adapter; a
 * key management service, whose keys never leave it, is another.
 */
export interface KeyWrapper {
  /** The id of the key that new data keys are wrapped under. */
  current(): Promise<string>
  /** `context` says what the data key is for: unwrapping needs the same one. */
  wrap(keyId: string, dataKey: Uint8Array, context: Uint8Array): Promise<Uint8Array>
  /** Throws ENCRYPTION_KEY_UNKNOWN without that key, SECRET_UNREADABLE when it does not fit. */
  unwrap(keyId: string, wrapped: Uint8Array, context: Uint8Array): Promise<Buffer>
}
