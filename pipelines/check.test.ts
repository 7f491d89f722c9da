import { describe, expect, test } from 'vitest'
import { check } from './check.ts'
import { planOf } from './plan.ts'
import { capabilities, changed, scanDesk } from './scan-desk.fixture.ts'

const at = (source: string | object, budget?: bigint): string[] =>
  check(source, { capabilities, ...(budget === undefined ? {} : { budget }) }).errors.map(({ path, message }) => `${path}: ${message}`)

test('a good document has its worst case, order and critical path', () => {
  const report = check(scanDesk, { capabilities })
  expect(report.errors).toEqual([])
  expect(report.warnings).toEqual([])
  expect(report.order).toEqual(['read', 'facts', 'rows'])
  // read 0.02 × 2 (time-outs are retried) + facts 0.005 + rows 0.004 × 20
  expect(report.worstCase).toMatchObject({ price: '0.125', criticalPath: ['read', 'facts', 'rows'] })
  // read (20 + 5) s × 2, facts 60 + 5 s by default, rows 20 items by 4 × 10 s
  expect(report.worstCase?.timeMs).toBe(50_000 + 65_000 + 50_000)
})

describe('a step of the wrong shape', () => {
  const { read, facts } = scanDesk.steps
  const steps = { ...scanDesk.steps, read: { ...read, with: { image: '${input.scam}' } }, facts: { ...facts, pirce: { max: '1' } } }

  test('hides nothing that is wrong in the others, and nobody is blamed for it', () => {
    expect(at(changed(['steps', 'facts', 'pirce'], { max: '1' }))).toEqual([expect.stringMatching(/^steps\.facts\.pirce: is not a known property/)])
    const document = { ...scanDesk, name: 7, steps }
    expect(at(document)).toEqual([
      expect.stringMatching(/^name: /), expect.stringMatching(/^steps\.facts\.pirce: is not a known property/), expect.stringMatching(/^steps\.read\.with\.image: input has no scam/),
    ])
    expect(check(document, { capabilities }).pipeline).toBeUndefined()
  })

  test('tells nothing of the others where the input is of the wrong shape too', () => {
    expect(at({ ...scanDesk, input: 7, steps }).every((error) => /^(input|steps\.facts\.pirce): /.test(error))).toBe(true)
  })
})

describe('broken documents', () => {
  test.each<[name: string, path: (string | number)[], value: unknown, ...errors: RegExp[]]>([
    ['unknown field', ['steps', 'read', 'pirce'], { max: '1' }, /^steps\.read\.pirce: is not a known property/],
    ['no kind', ['steps', 'read', 'uses'], undefined, /^steps\.read: a step has one of uses/],
    ['two kinds', ['steps', 'read', 'wait'], { for: '1s' }, /not uses and wait/],
    ['bad id', ['steps', 'my-step'], scanDesk.steps.facts, /my-step/],
    ['taken id', ['steps', 'constructor'], scanDesk.steps.facts, /^steps\.constructor: constructor cannot be the name/],
    ['unknown capability', ['steps', 'read', 'uses'], 'vision.orc@1', /^steps\.read\.uses: nobody offers vision\.orc@1/],
    ['unknown step', ['steps', 'facts', 'with', 'text'], '${steps.raed.text}', /^steps\.facts\.with\.text: there is no step raed/],
    ['unknown output field', ['steps', 'facts', 'with', 'text'], '${steps.read.txt}', /^steps\.facts\.with\.text: steps\.read has no txt/],
    ['unknown field of a blob', ['output'], '${input.scan.width}', /^output: input\.scan has no width/],
    ['unknown input', ['steps', 'read', 'with', 'image'], '${input.scam}', /^steps\.read\.with\.image: input has no scam/],
    ['unknown item field', ['steps', 'rows', 'with', 'params'], ['${item.nmae}'], /^steps\.rows\.with\.params\[0\]: item has no nmae/],
    ['unknown meta field', ['output'], '${meta.read.stat}', /^output: meta\.read has no stat/],
    ['unknown run field', ['output'], '${run.spend}', /^output: run has no spend/],
    ['self reference', ['steps', 'facts', 'with', 'text'], '${steps.facts.text}', /cannot name itself/],
    ['computed step', ['output'], '${steps[input.note].text}', /must be followed by the name/],
    ['unknown need', ['steps', 'facts', 'needs'], ['raed'], /^steps\.facts\.needs\[0\]: there is no step raed/],
    ['cycle', ['steps', 'read', 'needs'], ['rows'], /^steps\.\w+: these steps wait for each other: \w+ → \w+ → \w+ → \w+$/],
    ['forEach without maxItems', ['steps', 'rows', 'maxItems'], undefined, /^steps\.rows\.forEach: forEach needs maxItems/],
    ['maxItems without forEach', ['steps', 'facts', 'maxItems'], 3, /^steps\.facts\.maxItems: maxItems belongs/],
    ['forEach over text', ['steps', 'rows', 'forEach'], '${steps.read.text}', /^steps\.rows\.forEach: must give array, this gives string/],
    ['run without needs', ['steps', 'facts', 'if'], "${run.spent < money('0.1')}", /^steps\.facts\.if: run\.\* is read at the step's start/],
    ['item outside forEach', ['steps', 'facts', 'with', 'text'], '${item.name}', /item cannot be read here/],
    ['output outside expect', ['steps', 'facts', 'with', 'text'], '${output.text}', /output is what expect judges/],
    ['chunks in text', ['steps', 'rows', 'forEach'], '${chunks.read.map(x, x)}', /^steps\.rows\.forEach: the pieces of a stream can only be gone over as a whole/],
    ['chunks of nobody', ['steps', 'rows', 'forEach'], '${chunks.raed}', /^steps\.rows\.forEach: there is no step raed/],
    ['a outside a rule', ['output'], '${a.total}', /^output: a cannot be read here/],
    ['rule reads output', ['steps', 'read', 'quorum'], { providers: 3, agree: 2, rule: '${output.text == b.text}' }, /^steps\.read\.quorum\.rule: it may read a and b only, not output/],
    ['rule gives text', ['steps', 'read', 'quorum'], { providers: 3, agree: 2, rule: '${a.text + b.text + "x"}' }, /^steps\.read\.quorum\.rule: it gives string, not bool/],
    ['rule unknown field', ['steps', 'read', 'quorum'], { providers: 3, agree: 2, rule: '${a.txt == b.text}' }, /^steps\.read\.quorum\.rule: a has no txt/],
    ['expect reads input', ['steps', 'read', 'expect'], '${output.confidence > input.limit}', /^steps\.read\.expect: it may read output only/],
    ['expect without bound', ['steps', 'read', 'expect'], '${cel.bind(a, output.text, a + a) == ""}', /no static bound/],
    ['expect gives text', ['steps', 'read', 'expect'], '${string(output.confidence)}', /gives string, not bool/],
    ['expect unknown field', ['steps', 'read', 'expect'], '${output.confidense > 85}', /^steps\.read\.expect: output has no confidense/],
    ['if gives text', ['steps', 'facts', 'if'], '${steps.read.text}', /must give boolean, this gives string/],
    ['if is text', ['steps', 'facts', 'if'], '${true} or not', /must be one/],
    ['does not parse', ['steps', 'facts', 'with', 'text'], '${steps.read.text +}', /^steps\.facts\.with\.text: Unexpected token/],
    ['no brace', ['output'], '${steps.read', /^output: .*no closing brace/],
    ['wrong type', ['steps', 'facts', 'with', 'text'], '${steps.read.confidence}', /^steps\.facts\.with\.text: wants string, this is number/],
    ['blob into text', ['steps', 'facts', 'with', 'text'], '${input.scan}', /wants string, this is blob/],
    ['text into blob', ['steps', 'read', 'with', 'image'], 'hello', /^steps\.read\.with\.image: wants a blob/],
    ['text expression into blob', ['steps', 'read', 'with', 'image'], '${input.note}', /wants blob, this is string/],
    ['unknown key', ['steps', 'read', 'with', 'imgae'], '${input.scan}', /^steps\.read\.with\.imgae: vision\.ocr@1 takes no imgae/],
    ['missing key', ['steps', 'read', 'with'], undefined, /^steps\.read: vision\.ocr@1 needs image/],
    ['wrong constant', ['steps', 'facts', 'with', 'text'], 7, /wants string, found 7/],
    ['bad amount', ['steps', 'read', 'price', 'max'], '0.1234567', /^steps\.read\.price\.max: .*decimals/],
    ['bad money', ['steps', 'read', 'price', 'max'], '1e3', /^steps\.read\.price\.max/],
    ['bad duration', ['steps', 'read', 'sla', 'deadline'], '20 s', /^steps\.read\.sla\.deadline/],
    ['budget', ['budget', 'max'], '0.1', /^budget\.max: the worst case is 0\.125, the document's budget is 0\.1$/],
    ['bad input schema', ['input', 'properties', 'scan'], { $ref: 'https://example.org/x' }, /^input\.properties\.scan/],
    ['nobody is left', ['steps', 'read', 'providers'], { only: [`0x${'a'.repeat(40)}`], not: [`0x${'a'.repeat(40)}`] }, /^steps\.read\.providers: nobody may do it/],
    ['differs from nothing', ['steps', 'facts', 'providers'], { differ: ['raed'] }, /^steps\.facts\.providers\.differ\[0\]: there is no step raed/],
    ['differs from itself', ['steps', 'facts', 'providers'], { differ: ['facts'] }, /cannot differ from itself/],
    ['a document differs', ['providers'], { differ: ['read'] }, /^providers\.differ: differ belongs to a step/],
    ['no age', ['steps', 'read', 'cache'], true, /^steps\.read\.cache/],
    ['a result of a step that hires nobody', ['steps', 'nap'], { wait: { for: '1s' }, cache: '1h' }, /^steps\.nap\.cache: cache belongs to a step with uses or switch/],
    ['fallback of both', ['steps', 'read', 'fallback'], { uses: 'vision.ocr@1', value: 1 }, /^steps\.read\.fallback: has one of uses and value, not both/],
    ['fallback of nobody', ['steps', 'read', 'fallback'], { uses: 'vision.orc@1' }, /^steps\.read\.fallback\.uses: nobody offers vision\.orc@1/],
    ['compensate of nobody', ['steps', 'read', 'compensate'], { uses: 'vision.orc@1' }, /^steps\.read\.compensate\.uses: nobody offers/],
    ['tolerate without forEach', ['steps', 'read', 'tolerate'], 1, /^steps\.read\.tolerate: tolerate belongs to a step with forEach/],
    ['race and quorum', ['steps', 'read'], { ...scanDesk.steps.read, race: { providers: 2 }, quorum: { providers: 3, agree: 2 } }, /^steps\.read\.race: a step has a race or a quorum/],
    ['race and fallback', ['steps', 'read'], { ...scanDesk.steps.read, race: { providers: 2 }, fallback: { value: 1 } }, /^steps\.read\.fallback: fallback does not go with race/],
    ['quorum without majority', ['steps', 'read', 'quorum'], { providers: 4, agree: 2 }, /^steps\.read\.quorum\.agree: 2 of 4 is no majority/],
    ['quorum of more than are asked', ['steps', 'read', 'quorum'], { providers: 2, agree: 3 }, /^steps\.read\.quorum\.agree: 3 cannot agree where 2 are asked/],
    ['an unreachable case', ['steps', 'nap'], { switch: [{ value: 1 }, { value: 2 }] }, /^steps\.nap\.switch\[0\]: the cases after this one can never count/],
    ['an unknown pipeline', ['steps', 'nap'], { pipeline: 'other' }, /^steps\.nap\.pipeline: there is no pipeline other/],
    ['a wait for two', ['steps', 'nap'], { wait: { for: '1s', signal: 'go' } }, /^steps\.nap\.wait: a wait has one of for, until, schedule and signal, not for and signal/],
    ['a wait for nothing', ['steps', 'nap'], { wait: {} }, /^steps\.nap\.wait: a wait has one of/],
    ['a time-out of a wait for a time', ['steps', 'nap'], { wait: { for: '1s', timeout: '1s' } }, /^steps\.nap\.wait\.timeout: timeout belongs to a wait for a signal/],
    ['no time', ['steps', 'nap'], { wait: { until: 'tomorrow' } }, /^steps\.nap\.wait\.until: is no time/],
    ['no schedule', ['steps', 'nap'], { wait: { schedule: { cron: '99 * * * *' } } }, /^steps\.nap\.wait\.schedule/],
    ['an approver who is nobody', ['steps', 'nap'], { approve: { by: 'ann', timeout: '1h' } }, /^steps\.nap\.approve\.by: names nobody/],
    ['retry of a wait', ['steps', 'nap'], { wait: { for: '1s' }, retry: { attempts: 2 } }, /^steps\.nap\.retry: retry belongs to a step with uses or switch, not to one with wait/],
    ['chunks of a step that has none', ['steps', 'rows', 'forEach'], '${chunks.facts}', /^steps\.rows\.forEach: text\.entities@1 is not streamed/],
    ['chunks of a forEach', ['steps', 'more'], { uses: 'text.entities@1', forEach: '${chunks.rows}', maxItems: 2, with: { text: 'x' }, price: { max: '0.001' } }, /^steps\.more\.forEach: rows has no pieces to pass on/],
    ['streamed', ['steps', 'read', 'settle'], 'streamed', /^steps\.read\.settle: vision\.ocr@1 is not streamed/],
    ['escrow', ['steps', 'read', 'escrow'], { fee: { max: '0.01' } }, /^steps\.read\.escrow: escrow belongs to a step that settles in escrow/],
  ])('%s', (_name, path, value, ...errors) => {
    const found = at(changed(path, value))
    for (const error of errors) expect(found).toContainEqual(expect.stringMatching(error))
    expect(check(changed(path, value), { capabilities }).ok).toBe(false)
  })

  test('a sub-pipeline is checked with its own paths, and within its budget', () => {
    const inner = { name: 'inner', version: '1.0.0', input: scanDesk.input, budget: { max: '0.01' }, steps: { read: { ...scanDesk.steps.read, expect: '${output.confidense > 1}' } }, output: '${steps.raed}' }
    const document = { ...scanDesk, pipelines: { inner }, steps: { sub: { pipeline: 'inner', with: { scan: '${input.scan}' } } }, output: '${steps.sub}' }
    expect(at(document)).toEqual([
      expect.stringMatching(/^pipelines\.inner\.steps\.read\.expect: output has no confidense/), 'pipelines.inner.output: there is no step raed', "steps.sub.pipeline: its worst case is 0.04, its budget is 0.01",
    ])
  })

  test('a wait without a known end is said, and planned for', () => {
    const waits = (step: object, more: object = {}): any => ({ name: 'waits', version: '1.0.0', steps: { nap: step }, output: 1, ...more })
    const warned = (document: any): boolean => check(document, { capabilities }).warnings.some(({ path }) => path === 'steps.nap.wait')
    const endless = [{ signal: 'go' }, { until: '2050-01-01T00:00:00Z' }, { schedule: { cron: '0 9 * * *' } }]
    for (const wait of endless) {
      expect([warned(waits({ wait })), planOf(waits({ wait })).openEnded]).toEqual([true, true])
      expect([warned(waits({ wait, timeout: '1h' })), planOf(waits({ wait }, { timeout: '1h' })).openEnded]).toEqual([false, undefined])
    }
    expect(planOf(waits({ wait: { signal: 'go', timeout: '1h' } }))).toMatchObject({ timeMs: 3_600_000 })
    expect(planOf(waits({ pipeline: 'inner' }, { pipelines: { inner: waits({ wait: endless[0] }) } })).openEnded).toBe(true)
  })

  test('everything at once, with hints', () => {
    const document = changed(['steps', 'facts', 'with', 'text'], '${steps.raed.text}') as any
    document.steps.read.uses = 'vision.orc@1'
    document.steps.rows.forEach = '${steps.facts.plases}'
    const { errors } = check(document, { capabilities })
    expect(errors.map(({ hint }) => hint)).toEqual(expect.arrayContaining(['Did you mean vision.ocr@1?', 'Did you mean steps.read?', 'Did you mean steps.facts.places?']))
  })
})

test('errors of a text name line and column, inside the string of an expression too', () => {
  const text = JSON.stringify(changed(['steps', 'facts', 'with', 'text'], 'a "quoted" ${steps.raed.text}'), null, 2)
  const [error] = check(text, { capabilities }).errors
  const lines = text.split('\n')
  expect(lines[error!.line! - 1]!.slice(error!.column! - 1)).toMatch(/^steps\.raed\.text/)
})

test('a caller\'s smaller budget counts', () => {
  expect(at(scanDesk, 100_000n)).toEqual([': the worst case is 0.125, the budget given is 0.1'])
  expect(at(scanDesk, 500_000n)).toEqual([])
})

test('steps without a price share what the budget leaves; without a budget they are an error', () => {
  const document = changed(['steps', 'facts', 'price'], undefined) as any
  delete document.steps.rows.price
  const report = check(document, { capabilities })
  expect(report.errors).toEqual([])
  expect(report.warnings.map(({ path }) => path)).toEqual(['steps.facts', 'steps.rows'])
  // (0.25 - 0.04) / 21 calls
  expect(report.worstCase).toMatchObject({ price: '0.25', steps: { facts: { cap: '0.01' }, rows: { cap: '0.01', price: '0.2' } } })
  delete document.budget
  expect(at(document)).toEqual([expect.stringMatching(/^steps\.facts: no price and no budget/), expect.stringMatching(/^steps\.rows: no price/)])
})

describe('hostile documents are refused in under a second', () => {
  const deep = '['.repeat(500_000) + ']'.repeat(500_000)
  const many = `{"name":"a","version":"1.0.0","steps":{${Array.from({ length: 250_000 }, (_, i) => `"s${i}":{}`).join(',')}},"output":1}`
  const chain = { name: 'a', version: '1.0.0', budget: { max: '1' }, output: 1, steps: Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`s${i}`, { uses: 'text.entities@1', price: { max: '0' }, with: { text: i ? `\${steps.s${i - 1}.text}` : 'x' }, needs: i ? [`s${i - 1}`] : ['s999'] }])) }
  const dear = changed(['steps', 'rows'], { ...scanDesk.steps.rows, maxItems: 10_000, price: { max: '340282366920938463463374607431768.211455' }, retry: { attempts: 10 } })
  test.each<[name: string, source: string | object, error: RegExp]>([
    ['10 MB', ' '.repeat(10_000_000), /characters/],
    ['depth bomb', deep, /nested deeper/],
    ['250,000 steps', many, /250000 steps/],
    ['a million values', `{"a":[${'1,'.repeat(1_000_000)}1]}`, /more than 262144 values/],
    ['__proto__', '{"name":"a","version":"1.0.0","steps":{"a":{"uses":"a@1","with":{"__proto__":{"x":1}}}},"output":1}', /__proto__/],
    ['twice the same key', '{"name":"a","name":"b","version":"1.0.0","steps":{"a":{"uses":"a@1"}},"output":1}', /stands twice/],
    ['not JSON', '{"name": "a",}', /not JSON/],
    ['a number', '7', /expected an object/],
    ['a long cycle', chain, /wait for each other/],
    ['a price beyond any lane', dear, /worst case is/],
    ['empty', '', /not JSON/],
  ])('%s', (_name, source, error) => {
    // CPU time, so that a busy machine fails nobody's test
    const before = process.cpuUsage()
    expect(at(source)).toContainEqual(expect.stringMatching(error))
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1_000).toBeLessThan(1_000)
  })
})
