/** A PostgreSQL that speaks TLS: its certificate, of authority `ca`, is for the name localhost and not for 127.0.0.1. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { serverUser } from './postgres-binaries.ts'
import { type OwnServer, startPostgres } from './servers.ts'

export interface TlsServer {
  readonly server: OwnServer
  /** The file of an authority: `ca` signed the server's certificate, `other` did not. */
  authority(name: 'ca' | 'other'): string
  remove(): Promise<void>
}

export async function startTlsServer(): Promise<TlsServer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sensei-tls-'))
  // The server runs as a user of its own.
  chmodSync(folder, 0o755)
  const { certificate, key } = makeCertificates(folder)
  const user = serverUser()
  chmodSync(key, 0o600)
  if (user) chownSync(key, user.uid, user.gid)
  const settings = { ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key }
  const server = await startPostgres({ version: 15, settings })
  return {
    server,
    authority: (name) => path.join(folder, `${name}.crt`),
    remove: async () => {
      await server.remove()
      rmSync(folder, { recursive: true })
    },
  }
}

function makeCertificates(folder: string): { certificate: string; key: string } {
  const openssl = (command: string): void => {
    const done = spawnSync('openssl', command.split(' '), { cwd: folder, encoding: 'utf8' })
    if (done.status !== 0) throw new TypeError(`openssl ${command}: ${done.stderr}`)
  }
  const fresh = '-newkey rsa:2048 -nodes'
  for (const name of ['ca', 'other'])
    openssl(`req -x509 ${fresh} -days 2 -subj /CN=${name} -keyout ${name}.key -out ${name}.crt`)
  writeFileSync(path.join(folder, 'extensions'), 'subjectAltName = DNS:localhost\n')
  openssl(`req ${fresh} -subj /CN=localhost -keyout server.key -out server.csr`)
  openssl(
    'x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.crt',
  )
  return { certificate: path.join(folder, 'server.crt'), key: path.join(folder, 'server.key') }
}
