import { SenseiError } from '@sensei/core/errors'
import { DatabaseError } from 'pg'
import { describe, expect, test } from 'vitest'
import { blamesRow, connectError, losesConnection, targetError } from '../refusal.ts'

function refusal(code: string, severity = 'ERROR'): DatabaseError {
  const error = new DatabaseError('what the server said', 0, 'error')
  return Object.assign(error, { code, severity })
}

describe('whom an error of PostgreSQL blames', () => {
  test.each([
    ['22021 a byte that is no UTF-8', '22021', true],
    ['22P02 text that is no such value', '22P02', true],
    ['22003 a number out of range', '22003', true],
    ['23502 NULL', '23502', true],
    ['23505 a key twice', '23505', true],
    ['23514 a check', '23514', true],
    ['54000 a row too large', '54000', true],
    ['P0001 a trigger that raised', 'P0001', true],
    ['22P04 a stream that is not COPY', '22P04', false],
    ['42804 another type than planned', '42804', false],
    ['53100 no disk', '53100', false],
    ['53200 no memory', '53200', false],
    ['55P03 a lock', '55P03', false],
    ['57P01 a shutdown', '57P01', false],
    ['40P01 a deadlock', '40P01', false],
    ['XX000 a defect', 'XX000', false],
  ])('%s', (_, code, row) => {
    expect(blamesRow(refusal(code))).toBe(row)
  })

  test('neither the network nor our own errors blame a row', () => {
    expect(blamesRow(new Error('read ECONNRESET'))).toBe(false)
    expect(blamesRow(new SenseiError('FENCED', 'another process took over'))).toBe(false)
  })
})

test.each([
  ['TARGET_UNREACHABLE', true, refusal('57P01', 'FATAL')],
  ['TARGET_UNREACHABLE', true, refusal('53200')],
  ['TARGET_UNREACHABLE', true, refusal('55P03')],
  ['TARGET_UNREACHABLE', true, refusal('40P01')],
  ['TARGET_UNREACHABLE', true, new Error('Connection terminated unexpectedly')],
  ['DISK_SPACE', false, refusal('53100')],
  ['TARGET_PRIVILEGE_MISSING', false, refusal('42501')],
  ['TARGET_REFUSED', false, refusal('42804')],
  ['TARGET_REFUSED', false, refusal('22P04')],
])('%s, to be tried again: %s', (code, retryable, error) => {
  expect(targetError(error, 'loading')).toMatchObject({ code, retryable })
})

test('only what ends the connection loses it', () => {
  expect(losesConnection(refusal('57P01', 'FATAL'))).toBe(true)
  expect(losesConnection(new Error('write EPIPE'))).toBe(true)
  expect(losesConnection(refusal('22021'))).toBe(false)
  expect(losesConnection(new SenseiError('INTERRUPTED', 'stopped'))).toBe(false)
})

test.each([
  ['28P01', 'SENSEI_TARGET_PASSWORD'],
  ['3D000', 'CREATE DATABASE'],
  ['53300', 'max_connections'],
  ['57P03', 'try again'],
])('a connect that fails with %s says what to do', (code, advice) => {
  const where = { host: 'h', port: 1, user: 'u', database: 'd' }
  expect(connectError(refusal(code, 'FATAL'), where)).toMatchObject({
    code: 'TARGET_UNREACHABLE',
    message: expect.stringContaining(advice),
  })
})
