/** What we use of WebAssembly; TypeScript knows it only together with a browser. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array)
  }
  class Instance {
    constructor(module: Module)
    readonly exports: object
  }
  interface Memory {
    /** Another one after each growth; the one before is detached then. */
    readonly buffer: ArrayBuffer
  }
}
