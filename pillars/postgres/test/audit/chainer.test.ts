import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { server } from '@sensei/contracts/servers'
import { Chainer } from '@sensei/postgres/audit/chainer'
import { AuditKeeper } from '@sensei/postgres/audit/keeper'
import type { AuditReport } from '@sensei/postgres/audit/verify'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestControl, testControl } from '../control-database.ts'
import { newKey, type Workshop, workshop } from './workshop.ts'

describe.each([18, 15] as const)('the audit chain on PostgreSQL %i', (version) => {
  let plane: TestControl
  let shop: Workshop

  beforeEach(async () => {
    plane = await testControl(await server(version))
    shop = workshop(plane)
  })
  afterEach(async () => {
    shop.remove()
    await plane.close()
  })

  test('every row gets its link and the end is signed outside of the database', async () => {
    await shop.write(12)
    expect(await shop.settle()).toEqual({ waiting: 0n, broken: [] })
    expect(await shop.verify()).toMatchObject({
      status: 'intact',
      rows: 12n,
      chained: 12n,
      sealed: 12n,
    })
    expect(statSync(shop.file).mode & 0o777).toBe(0o600)
    await shop.write(3)
    await shop.settle()
    expect((await shop.read())?.checkpoints.map(({ position }) => position)).toEqual([12n, 15n])
    await shop.settle()
    expect((await shop.read())?.checkpoints).toHaveLength(2)
  })

  test('one process chains at a time, and the next one follows when it hands over or is gone', async () => {
    const first = await Chainer.open(shop.settings, shop.sink)
    const second = await Chainer.open(shop.settings, shop.sink)
    expect([await first.lead(), await second.lead()]).toEqual([true, false])
    await first.close()
    await expect.poll(() => second.lead()).toBe(true)
    await plane.client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sensei-chainer'",
    )
    await shop.write(2)
    expect(await shop.settle()).toMatchObject({ waiting: 0n })
    await second.close()
  })

  test('a turn that is aborted ends behind its batch, and the next one goes on there', async () => {
    await shop.write(5)
    const chainer = await Chainer.open(shop.settings, shop.sink)
    await chainer.lead()
    expect(await chainer.turn(AbortSignal.abort())).toMatchObject({ linked: 0, waiting: 5n })
    expect(await chainer.turn()).toMatchObject({ linked: 5, waiting: 0n })
    await chainer.close()
  })

  test('the chainer may write links and nothing else, and changes none', async () => {
    await shop.write(2)
    await shop.settle()
    for (const sql of [
      "update audit_log set actor = 'x'",
      "insert into audit_log (org_id, actor, action, detail) select org_id, 'x', 'y', '{}' from audit_log limit 1",
      'update audit_chain set position = position + 1',
      'delete from audit_chain',
      'truncate audit_chain',
      'delete from audit_position',
      'select from migration',
    ]) {
      await plane.client.query('begin')
      await plane.client.query('set local role sensei_chainer')
      await expect(plane.client.query(sql)).rejects.toMatchObject({ code: '42501' })
      await plane.client.query('rollback')
    }
    await expect(plane.client.query('delete from audit_chain')).rejects.toMatchObject({
      code: '42501',
    })
    await expect(
      plane.door.write(plane.orgId, (tx) => tx.query('delete from audit_chain')),
    ).rejects.toMatchObject({ code: '42501' })
  })

  test('nothing is signed on top of a chain that lost what was signed', async () => {
    await shop.write(4)
    await shop.settle()
    await shop.tamper("update audit_chain set hash = sha256('x') where position = 4")
    await shop.write(1)
    expect((await shop.settle()).broken).toEqual([{ orgId: plane.orgId, position: 4n }])
    expect((await shop.read())?.checkpoints).toHaveLength(1)
  })

  test('nothing is linked over a row that is gone', async () => {
    await shop.write(3)
    await shop.tamper(
      'delete from audit_log where id = (select audit_id from audit_position where position = 2)',
    )
    expect(await shop.settle()).toEqual({
      waiting: 2n,
      broken: [{ orgId: plane.orgId, position: 2n }],
    })
  })

  test('a torn last line is named, tolerated, and taken away by the next append', async () => {
    await shop.write(2)
    await shop.settle()
    appendFileSync(shop.file, readFileSync(shop.file).subarray(0, 100))
    expect(await shop.read()).toMatchObject({ tornLine: 2, refused: [] })
    expect(await shop.verify()).toMatchObject({ status: 'intact' })
    await shop.write(1)
    await shop.settle()
    expect(await shop.read()).toMatchObject({
      tornLine: null,
      refused: [],
      checkpoints: [{ position: 2n }, { position: 3n }],
    })
  })

  test('a changed line and one of a strange key are refused and named', async () => {
    await shop.write(1)
    await shop.settle()
    const line = readFileSync(shop.file, 'utf8')
    const strange = workshop(plane, newKey())
    await strange.settle()
    const strangeLine = readFileSync(strange.file, 'utf8')
    strange.remove()
    const at = line.indexOf('"payload":"') + 30
    const flipped = `${line.slice(0, at)}${line[at] === 'A' ? 'B' : 'A'}${line.slice(at + 1)}`
    writeFileSync(shop.file, line + flipped + strangeLine)
    const found = await shop.read()
    expect(found?.checkpoints).toHaveLength(1)
    expect(found?.refused.map(({ line: number }) => number)).toEqual([2, 3])
  })

  test('a sink that cannot be written is told, and nothing is lost: the next one signs', async () => {
    const { settings } = shop
    await shop.write(2)
    const away = workshop(plane)
    away.remove()
    await expect(away.settle()).rejects.toMatchObject({ code: 'CHECKPOINT_UNWRITABLE' })
    expect(settings.role).toBe('sensei_chainer')
    expect(await shop.settle()).toMatchObject({ waiting: 0n })
    expect(await shop.verify()).toMatchObject({ status: 'intact', sealed: 2n })
  })

  test('a keeper chains what is written, finds a change by itself, and ends when told', async () => {
    const broken: AuditReport[] = []
    const trouble: unknown[] = []
    const keeper = new AuditKeeper({
      settings: shop.settings,
      sink: shop.sink,
      checkpoints: async () => (await shop.read())?.checkpoints ?? [],
      onBroken: (report) => broken.push(report),
      onTrouble: (error) => trouble.push(error),
      turnMs: 50,
      verifyMs: 200,
    })
    keeper.start()
    await shop.write(10)
    await expect.poll(async () => (await shop.verify()).sealed, { timeout: 10_000 }).toBe(10n)
    await sleep(300)
    expect([broken, trouble]).toEqual([[], []])
    await shop.tamper("update audit_log set actor = 'nobody' where actor = 'test'")
    await expect.poll(() => broken.length, { timeout: 10_000 }).toBeGreaterThan(0)
    expect(broken[0]).toMatchObject({ broken: { position: 1n, kind: 'edited' } })
    await keeper.stop()
    await shop.write(1)
    expect(await shop.settle()).toMatchObject({ waiting: 0n })
  })
})

describe('history without a chainer', () => {
  let plane: TestControl
  beforeAll(async () => {
    plane = await testControl(await server(18))
  })
  afterAll(() => plane.close())

  test('rows that nobody links, and a chain that nobody signs, are no pass', async () => {
    const shop = workshop(plane)
    await shop.write(2)
    expect(await shop.verify()).toMatchObject({ status: 'intact', chained: 0n })
    await shop.tamper("update audit_log set recorded_at = recorded_at - interval '2 minutes'")
    expect(await shop.verify()).toMatchObject({ status: 'incomplete' })
    await shop.settle()
    expect(await shop.verify()).toMatchObject({ status: 'intact' })
    writeFileSync(shop.file, '')
    const report = await shop.verify()
    expect(report.status).toBe('incomplete')
    expect(report.reasons.join()).toContain('no checkpoint')
    shop.remove()
  })
})
