import { Passwords } from '@sensei/postgres/tenants/passwords'
import { expect, test } from 'vitest'

const passwords = new Passwords()
const right = 'correct horse battery'

test('a password is known again, and no other one is it', async () => {
  const stored = await passwords.hash(right)
  expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/)
  expect(await passwords.verify(right, stored)).toBe(true)
  expect(await passwords.hash(right)).not.toBe(stored)
  for (const wrong of ['', `${right} `, right.slice(1), 'x'.repeat(2_000)])
    expect(await passwords.verify(wrong, stored)).toBe(false)
})

test('is RFC 9106’s argon2id: a hash that another implementation made is verified', async () => {
  const made =
    '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
  expect(await passwords.verify('password', made)).toBe(true)
  expect(await passwords.verify('passwore', made)).toBe(false)
})

test('one spelling of a password is another one’s equal: NFC and NFD', async () => {
  const stored = await passwords.hash('pässwörter sind gut'.normalize('NFD'))
  expect(await passwords.verify('pässwörter sind gut'.normalize('NFC'), stored)).toBe(true)
})

test('a short, overlong or broken password is refused before any work', async () => {
  for (const wrong of ['short', 'x'.repeat(11), 'x'.repeat(1_025), `${'x'.repeat(12)}\ud800`])
    await expect(passwords.hash(wrong)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
})

test('bad input 94: where nobody has the address the same work is done', async () => {
  const stored = await passwords.hash(right)
  const spent = async (against: string | null): Promise<number> => {
    const before = process.cpuUsage()
    for (let i = 0; i < 6; i++)
      expect(await passwords.verify('wrong wrong wrong', against)).toBe(false)
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
  await spent(stored)
  const [known, unknown] = [await spent(stored), await spent(null)]
  expect(unknown / known).toBeGreaterThan(0.5)
  expect(unknown / known).toBeLessThan(2)
})

test('no more run at once than allowed, so many wait, and the rest is told to come back', async () => {
  const few = new Passwords({ atOnce: 1, waitingMax: 2 })
  const stored = await few.hash(right)
  const all = await Promise.allSettled(Array.from({ length: 8 }, () => few.verify(right, stored)))
  expect(all.filter((one) => one.status === 'fulfilled')).toHaveLength(3)
  for (const one of all)
    if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'OVERLOADED' })
  expect(await few.verify(right, stored)).toBe(true)
})
