import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import query from './query.ts'
import { testContext } from './test-context.ts'
import warm from './warm-query.ts'

const stolen = join(tmpdir(), `aigen-stolen-${process.pid}.csv`)

describe.each([['paper-trail', query], ['warm-tables', warm]])('data.query by %s', (_name, provider) => {
  const ask = async (sql: string, params: unknown[] = [], signal?: AbortSignal): Promise<any> =>
    (await provider.handler({ sql, params }, testContext({ signal }))).output

  beforeAll(() => provider.start?.(), 60_000)
  afterAll(() => provider.stop?.())

  it('answers over all four tables', async () => {
    expect((await ask('SELECT count(*) AS n FROM flights')).rows).toEqual([{ n: 3_000_000 }])
    expect((await ask('SELECT count(*) AS n FROM birdstrikes')).rows).toEqual([{ n: 10_000 }])
    expect((await ask('SELECT name FROM airports WHERE iata = $1', ['ORD'])).rows).toEqual([{ name: "Chicago O'Hare International" }])
    const quake = await ask('SELECT time, magnitude, place, depth_km FROM earthquakes ORDER BY magnitude DESC LIMIT 1')
    expect(quake.rows[0]).toMatchObject({ magnitude: 6.4, time: expect.stringMatching(/^2018-02-06T/) })
    expect(quake.columns.map((column: { type: string }) => column.type)).toEqual(['TIMESTAMP', 'DOUBLE', 'VARCHAR', 'DOUBLE'])
  })

  it('takes CTEs, joins, windows, sets, sub-queries, VALUES and parameters of each type', async () => {
    const sql = `WITH busy AS (SELECT origin, count(*) AS n FROM flights WHERE date < $1::DATE GROUP BY origin)
      SELECT a.city, b.n, rank() OVER (ORDER BY b.n DESC) AS place FROM busy AS b JOIN airports AS a ON a.iata = b.origin
      WHERE b.n > (SELECT avg(n) FROM busy) ORDER BY place LIMIT 2`
    expect((await ask(sql, ['2001-02-01'])).rows.map((row: { place: number }) => row.place)).toEqual([1, 2])
    expect((await ask('SELECT $1 AS a, $2 AS b, $3 AS c, $4 AS d', ['x', 1.5, true, null])).rows).toEqual([{ a: 'x', b: 1.5, c: true, d: null }])
    expect((await ask('SELECT v FROM (VALUES (1), (2)) AS t(v) UNION ALL SELECT 3 AS v')).rowCount).toBe(3)
    expect((await ask("SELECT DATE '2001-03-14' AS d, [1, 2] AS l, 1.25 AS m")).rows).toEqual([{ d: '2001-03-14', l: [1, 2], m: 1.25 }])
  })

  it('stops at 1,000 rows and says so', async () => {
    expect(await ask('SELECT delay FROM flights')).toMatchObject({ rowCount: 1_000, truncated: true })
  })

  it.each([
    ["SELECT * FROM '/etc/passwd'"],
    ["SELECT * FROM read_csv('/etc/passwd')"],
    ["SELECT * FROM read_text('/etc/passwd')"],
    ["SELECT * FROM glob('/*')"],
    ["SELECT * FROM read_parquet('flights-3m.parquet')"],
    ["SELECT * FROM read_csv('https://example.com/x.csv')"],
    [`COPY airports TO '${stolen}'`],
    [`COPY (SELECT 1 AS a) TO '${stolen}'`],
    ["INSERT INTO airports VALUES ('X')"],
    ['DELETE FROM airports'],
    ['DROP TABLE airports'],
    ['CREATE TABLE mine AS SELECT 1 AS a'],
    ['CREATE TEMP TABLE mine AS SELECT 1 AS a'],
    [`ATTACH '${stolen}' AS x`],
    ['INSTALL httpfs'],
    ["LOAD 'httpfs'"],
    ['SET memory_limit = 0'],
    ['PRAGMA database_list'],
    ['CALL pragma_version()'],
    ['EXPLAIN ANALYZE SELECT 1'],
    ['SELECT 1 AS a; DROP TABLE airports'],
    ['SELECT 1 AS a; SELECT 2 AS a'],
    ['SELECT * FROM duckdb_settings()'],
    ['SELECT * FROM information_schema.tables'],
    ['SELECT * FROM duckdb_tables'],
    ['SELECT * FROM sqlite_master'],
    ["SELECT * FROM query('SELECT 1')"],
    ["SELECT * FROM query_table('airports')"],
    ["SELECT getvariable('x') AS a"],
    ["SELECT current_setting('memory_limit') AS a"],
    ['DESCRIBE airports'],
    ['SUMMARIZE flights'],
    ["SELECT length(repeat('x', 2000000000)) AS n"],
    ["SELECT lpad('x', 2000000000, 'y') AS n"],
    ['SELECT range(2000000000) AS n'],
    ['SELECT * FROM range(2000000000)'],
    ['SELECT list(delay) AS l FROM flights'],
    ['WITH a AS (SELECT [delay, delay] AS x FROM flights), b AS (SELECT [x, x] AS x FROM a) SELECT [x, x] AS x FROM b'],
    ["SELECT a || a || a || a || a || a AS n FROM (SELECT 'x' AS a)"],
    ['WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t'],
    ['SELECT list_transform([1], x -> x) AS n'],
    ['SELECT system.main.repeat(1) AS n'],
    ['SELECT nosuch FROM airports'],
    ['SELECT 1/'],
    [''],
    ["SELECT 'x' AS a WHERE 1 = $1"],
  ])('refuses %s', async (sql) => {
    await expect(ask(sql)).rejects.toMatchObject({ code: 'step.input' })
    expect(existsSync(stolen)).toBe(false)
  })

  it('is interrupted by the caller, its own deadline and its memory limit', async () => {
    const endless = 'SELECT count(*) AS n FROM flights AS a, flights AS b WHERE a.delay + b.delay = 12345'
    const stop = new AbortController()
    const asked = ask(endless, [], stop.signal)
    setImmediate(() => stop.abort())
    await expect(asked).rejects.toMatchObject({ code: 'step.cancelled' })
    // DISTINCT keeps its rows: it runs into the memory limit or the deadline, whichever is first
    const hungry = 'SELECT count(*) AS n FROM (SELECT DISTINCT a.date, b.date FROM flights AS a, flights AS b)'
    await Promise.all([
      expect(ask(endless)).rejects.toMatchObject({ code: 'step.timeout' }),
      expect(ask(hungry)).rejects.toMatchObject({ code: expect.stringMatching(/step\.(input|timeout)/) }),
    ])
    expect((await ask('SELECT 1 AS a')).rows).toEqual([{ a: 1 }])
  }, 30_000)
})
