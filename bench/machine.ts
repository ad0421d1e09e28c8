import { cpus, release, totalmem } from 'node:os'

export interface Fact {
  readonly name: string
  readonly value: string
}

export function machineFacts(): Fact[] {
  const processors = cpus()
  return [
    {
      name: 'processor',
      value: `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown'}`,
    },
    { name: 'memory', value: `${(totalmem() / 2 ** 30).toFixed(1)} GB` },
    { name: 'kernel', value: `Linux ${release().split('-')[0]}` },
    { name: 'Node', value: process.version },
  ]
}
