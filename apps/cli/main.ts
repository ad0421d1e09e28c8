#!/usr/bin/env node
/** The entry: first what makes every process of a run start faster, then the command line. */
import { keepCompiledCode } from './compiled-code.ts'

keepCompiledCode(process.env)
await import('./command-line.ts')
