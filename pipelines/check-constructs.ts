/**
 * The rules of the constructs: which fields go together, and what each of wait, approve, switch,
 * fallback, compensate, race, quorum, sub-pipelines and streams between steps needs besides its
 * shape. Part of `check.ts`.
 */
import { nextTime } from '../runtime/actors/schedule.ts'
import type { Capability, Pipeline, PipelineStep } from '../schemas/documents.gen.ts'
import { asError } from '../schemas/error.ts'
import { didYouMean, type Findings, type Path } from './findings.ts'
import { chunksOf } from './graph.ts'
import { namesIn, nested, type Scope } from './nested.ts'
import { isOpenEnded } from './price.ts'

export interface Checked {
  readonly pipeline: Pipeline
  readonly capabilities: ReadonlyMap<string, Capability>
  readonly scope: Scope
  readonly findings: Findings
}

const HIRED = ['uses', 'switch'] as const
const MANY = ['uses', 'switch', 'pipeline'] as const
/** Kinds of steps that a field goes with; any kind where it is not listed. */
const BELONGS = {
  with: ['uses', 'pipeline'], price: MANY, sla: HIRED, expect: HIRED, retry: HIRED, settle: HIRED, escrow: HIRED, through: HIRED, providers: HIRED, fallback: HIRED, race: HIRED, quorum: HIRED,
  cache: HIRED, compensate: MANY, forEach: MANY,
} as const
const KINDS = ['uses', 'switch', 'pipeline', 'wait', 'approve'] as const

export function checkConstructs(id: string, step: PipelineStep, checked: Checked): void {
  const { findings } = checked
  const path = ['steps', id]
  const kind = KINDS.find((one) => step[one] !== undefined)!
  for (const [field, kinds] of Object.entries(BELONGS)) {
    if (step[field as keyof typeof BELONGS] !== undefined && !(kinds as readonly string[]).includes(kind)) findings.error([...path, field], `${field} belongs to a step with ${kinds.join(', ').replace(/, ([^,]*)$/, ' or $1')}, not to one with ${kind}`)
  }
  checkMany(step, path, findings)
  checkCases(step, path, checked)
  if (step.fallback) checkOne(step.fallback, [...path, 'fallback'], checked)
  if (step.compensate) checkOffered(step.compensate.uses, [...path, 'compensate', 'uses'], checked)
  if (step.pipeline !== undefined) checkNested(step, path, checked)
  checkWait(step, path, findings)
  if (isOpenEnded(step) && checked.pipeline.timeout === undefined) findings.warn([...path, 'wait'], 'how long it waits is known only then: the worst-case time leaves it out', 'Add "timeout": "1h" to the step, or to the pipeline.')
  if (step.approve && step.approve.by !== 'owner' && !/^0x[0-9a-f]{40}$/.test(step.approve.by)) findings.error([...path, 'approve', 'by'], 'names nobody who could answer', 'Write owner, or a participant\'s address.')
  checkChunks(id, step, checked)
  checkCache(step, path, checked)
  checkStreamed(step, path, checked)
}

/** What is paid piece by piece has pieces. */
function checkStreamed(step: PipelineStep, path: Path, { capabilities, findings }: Checked): void {
  if (step.settle !== 'streamed') return
  for (const { uses } of [step, ...(step.switch ?? [])]) {
    const capability = uses === undefined ? undefined : capabilities.get(uses)
    if (capability && !capability.chunk) findings.error([...path, 'settle'], `${uses} is not streamed: there are no pieces to pay for`, 'Leave it out, or use a capability with a chunk schema.')
  }
}

function checkCache(step: PipelineStep, path: Path, { capabilities, findings }: Checked): void {
  if (typeof step.cache !== 'string') return
  const warn = (why: string): void => findings.warn([...path, 'cache'], `no result of another run stands in: ${why}`, 'Leave it out.')
  if (step.race ?? step.quorum) return warn('each provider of a race or a quorum is hired')
  if (step.compensate) return warn('what can be undone is done each time')
  if (step.settle === 'escrow') return warn('what settles in escrow is hired')
  if (step.providers?.differ) return warn('who must differ from others is hired')
  const capability = step.uses === undefined ? undefined : capabilities.get(step.uses)
  if (capability && (capability.pure !== true || capability.chunk)) warn(`${step.uses} is ${capability.chunk ? 'streamed' : 'not pure'}`)
}

function checkMany({ race, quorum, fallback, tolerate, maxItems }: PipelineStep, path: Path, findings: Findings): void {
  if (race && quorum) findings.error([...path, 'race'], 'a step has a race or a quorum, not both')
  if ((race || quorum) && fallback) findings.error([...path, 'fallback'], `fallback does not go with ${race ? 'race' : 'quorum'}`, 'Let a later step test meta, and do it there.')
  if (quorum && quorum.agree > quorum.providers) findings.error([...path, 'quorum', 'agree'], `${quorum.agree} cannot agree where ${quorum.providers} are asked`)
  else if (quorum && quorum.agree * 2 <= quorum.providers) findings.error([...path, 'quorum', 'agree'], `${quorum.agree} of ${quorum.providers} is no majority: two groups could agree`, `Write ${Math.floor(quorum.providers / 2) + 1} or more.`)
  if (tolerate !== undefined && maxItems !== undefined && tolerate >= maxItems) findings.warn([...path, 'tolerate'], 'every item may fail')
}

function checkCases(step: PipelineStep, path: Path, checked: Checked): void {
  for (const [index, one] of (step.switch ?? []).entries()) {
    const at = [...path, 'switch', index]
    checkOne(one, at, checked)
    if (one.value !== undefined && one.expect !== undefined) checked.findings.error([...at, 'expect'], 'expect belongs to a case with uses')
    if (one.when === undefined && index < step.switch!.length - 1) checked.findings.error(at, 'the cases after this one can never count: it has no when')
  }
}

/** A capability with its input, or a constant. */
function checkOne(one: NonNullable<PipelineStep['fallback']>, path: Path, checked: Checked): void {
  const { findings } = checked
  if ((one.uses === undefined) === (one.value === undefined)) findings.error(path, `has one of uses and value${one.uses === undefined ? '' : ', not both'}`)
  if (one.uses !== undefined) return checkOffered(one.uses, [...path, 'uses'], checked)
  for (const field of ['with', 'price'] as const) if (one[field] !== undefined) findings.error([...path, field], `${field} belongs to what is hired: there is no uses`)
}

export function checkOffered(uses: string, path: Path, { capabilities, findings }: Checked): void {
  if (!capabilities.has(uses)) findings.error(path, `nobody offers ${uses}`, didYouMean(uses, [...capabilities.keys()]))
}

function checkNested(step: PipelineStep, path: Path, { scope, findings }: Checked): void {
  const below = nested(step.pipeline!, scope)
  if (!below) return findings.error([...path, 'pipeline'], `there is no pipeline ${step.pipeline}`, didYouMean(step.pipeline!, namesIn(scope)))
  const undone = Object.entries(below.pipeline.steps).find(([, one]) => one.compensate)
  if (undone && !step.compensate) findings.warn([...path, 'pipeline'], `${undone[0]} in it is undone only while it runs: once it is done, compensate of this step counts`)
}

function checkWait({ wait }: PipelineStep, path: Path, findings: Findings): void {
  if (!wait) return
  const kinds = (['for', 'until', 'schedule', 'signal'] as const).filter((kind) => wait[kind] !== undefined)
  if (kinds.length !== 1) findings.error([...path, 'wait'], `a wait has one of for, until, schedule and signal${kinds.length === 0 ? '' : `, not ${kinds.join(' and ')}`}`)
  for (const field of ['timeout', 'then'] as const) if (wait[field] !== undefined && wait.signal === undefined) findings.error([...path, 'wait', field], `${field} belongs to a wait for a signal`)
  if (wait.then !== undefined && wait.timeout === undefined) findings.error([...path, 'wait', 'then'], 'then says what no signal in time means: add a timeout')
  if (wait.until !== undefined && !wait.until.includes('${') && !Number.isFinite(Date.parse(wait.until))) findings.error([...path, 'wait', 'until'], 'is no time', 'Write it like 2027-01-31T09:00:00Z.')
  if (!wait.schedule) return
  try {
    nextTime(wait.schedule, 0)
  } catch (thrown) {
    findings.error([...path, 'wait', 'schedule'], asError(thrown).message)
  }
}

function checkChunks(id: string, step: PipelineStep, { pipeline, capabilities, findings }: Checked): void {
  const source = chunksOf(step)
  if (source === undefined) return
  const path = ['steps', id, 'forEach']
  const from = Object.hasOwn(pipeline.steps, source) ? pipeline.steps[source]! : undefined
  if (!from) return findings.error(path, `there is no step ${source}`, didYouMean(source, Object.keys(pipeline.steps), (name) => `chunks.${name}`))
  if (from.uses === undefined || from.forEach !== undefined || from.race || from.quorum) return findings.error(path, `${source} has no pieces to pass on: only a step with uses has, without forEach, race and quorum`)
  const capability = capabilities.get(from.uses)
  if (capability && capability.chunk === undefined) return findings.error(path, `${from.uses} is not streamed: it has no pieces`, `Write \${steps.${source}…}, its output.`)
  if (from.expect !== undefined) findings.warn(['steps', source, 'expect'], `cannot guard the pieces that ${id} takes as they come: a delivery that fails it is not paid, and ${id} has had them`)
  if (from.retry) findings.warn(['steps', source, 'retry'], `once a piece went to ${id}, the step is not tried again`)
}
