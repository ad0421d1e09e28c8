/**
 * Loads a compiled kernel: the `wasm` of a `name.wasm.ts`, made by `npm run kernels` from `name.kernel.ts`. A kernel is
 * synchronous, has a memory of its own and reaches nothing else: no imports, no I/O.
 */

/** Throws what the engine throws where the bytes are no module. */
export function instantiate<Exports>(
  wasm: string,
): Exports & { readonly memory: WebAssembly.Memory } {
  const module = new WebAssembly.Module(Buffer.from(wasm, 'base64'))
  return new WebAssembly.Instance(module).exports as Exports & {
    readonly memory: WebAssembly.Memory
  }
}
