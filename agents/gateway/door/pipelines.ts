/**
 * The gateway's pipelines: what there is, and runs with live progress by server-sent events. A client
 * that hangs up does not end its run: `DELETE` does. Blobs come as data URLs or form files and go as
 * data URLs; a reference to one is refused, since the shelf is shared by all accounts.
 *
 *   GET  /v1/pipelines · POST /v1/pipelines/:name/runs · GET · DELETE …/runs/:id · GET …/events, …/bill
 */
import type { Context, Hono } from 'hono'
import { fileInputs } from '../../../pipelines/input.ts'
import { blobsIn } from '../../../runtime/identity/parcel.ts'
import { AigenError, asError, fromBody } from '../../../schemas/error.ts'
import { formatMoney } from '../../../schemas/money.ts'
import type { Pipeline } from '../../../schemas/documents.gen.ts'
import { decodeJson } from '../../../schemas/decode.ts'
import { showBlobs, takeBlobs } from '../../http/inline-blobs.ts'
import type { StepRow } from '../../user/follow.ts'
import { checkAllowed } from '../keys.ts'
import type { Hold } from '../ledger.ts'
import { billOfRun, cancelRun, ownRun, pipelineNamed, runState, startPipeline, watchRun, worstOfRun, type RunRequest } from '../runs.ts'
import { callerOf, bodyOf, live, once, type Door, type Live } from './door.ts'
import { refusal } from './refusal.ts'

/** A request with its files, in base64 or as they are. */
export const RUN_BYTES_MAX = 32 * 2 ** 20
/** Rows of progress that may wait for a slow client. */
const ROWS_MAX = 1_000

export function servePipelines(app: Hono, door: Door): void {
  const { gateway } = door
  const { blobs, clock } = gateway.user.node
  const own = async (context: Context): Promise<Hold> => {
    const hold = await ownRun(gateway, (await callerOf(door, context)).customer, context.req.param('id') ?? '')
    if (hold.route !== context.req.param('name')) throw new AigenError('run.unknown', hold.run)
    return hold
  }
  const shown = async (run: string): Promise<object> => {
    const state = await runState(gateway, run)
    return { object: 'pipeline.run', id: run, ...state, ...(state.output === undefined ? {} : { blobs: await showBlobs(state.output, blobs) }) }
  }
  /** Progress, then the answer and the bill. */
  const tell = async (hold: Hold, { write, gone }: Live): Promise<void> => {
    await write({ type: 'run', run: hold.run, pipeline: hold.route, held: formatMoney(hold.total) }, 'run')
    const rows = rowQueue()
    const watched = watchRun(gateway, hold, rows.push, gone).finally(rows.end)
    watched.catch(() => undefined)
    for (let row = await rows.next(); row; row = await rows.next()) await write({ type: 'step', ...row }, 'step')
    if (gone.aborted) return
    await watched
    const state = await runState(gateway, hold.run)
    if (state.error) await write({ type: 'error', ...refusal(fromBody(state.error), clock.now()).body }, 'error')
    else await write({ type: 'answer', ...(await shown(hold.run)) }, 'answer')
    await write(await billOfRun(gateway, hold), 'bill')
  }

  app.get('/v1/pipelines', async (context) => {
    const { limits } = await callerOf(door, context)
    const names = [...gateway.pipelines].filter(([name]) => !limits.allowed || limits.allowed.includes(name))
    return context.json({ object: 'list', data: names.map(([name, document]) => ({ id: name, object: 'pipeline', version: document.version, ...(document.description === undefined ? {} : { description: document.description }), input: document.input ?? {}, files: fileInputs(document), ...priceNow(door, document) })) })
  })

  app.post('/v1/pipelines/:name/runs', async (context) => {
    const caller = await callerOf(door, context)
    const name = context.req.param('name')
    const document = pipelineNamed(gateway, name)
    checkAllowed(caller.limits, name)
    const request = { ...(await readRun(context, door, document)), pipeline: name }
    const { run } = await once(door, context, caller, request, async (call) => ({ run: await startPipeline(gateway, caller, call, request) }))
    const hold = await ownRun(gateway, caller.customer, run)
    context.header('x-aigen-run', run)
    context.header('location', `/v1/pipelines/${name}/runs/${run}`)
    if (accepts(context)) return live(door, context, new AbortController(), (stream) => tell(hold, stream))
    if (context.req.header('prefer')?.includes('respond-async')) return context.json(await shown(run), 202)
    await watchRun(gateway, hold, () => {}, context.req.raw.signal)
    const state = await runState(gateway, run)
    if (state.error) throw fromBody(state.error)
    const { account } = await billOfRun(gateway, hold)
    context.header('x-aigen-price', account.network)
    context.header('x-aigen-fee', account.fee)
    return context.json(await shown(run))
  })
  app.get('/v1/pipelines/:name/runs/:id', async (context) => context.json(await shown((await own(context)).run)))
  app.get('/v1/pipelines/:name/runs/:id/events', async (context) => {
    const hold = await own(context)
    return live(door, context, new AbortController(), (stream) => tell(hold, stream))
  })
  app.get('/v1/pipelines/:name/runs/:id/bill', async (context) => context.json(await billOfRun(gateway, await own(context))))
  app.delete('/v1/pipelines/:name/runs/:id', async (context) => {
    const { run } = await own(context)
    await cancelRun(gateway, run)
    return context.json(await shown(run), 202)
  })
}

const accepts = (context: Context): boolean => context.req.header('accept')?.includes('text/event-stream') ?? false

function priceNow({ gateway }: Door, document: Pipeline): { readonly worst?: string; readonly unavailable?: string } {
  try {
    return { worst: formatMoney(worstOfRun(gateway, document, undefined)) }
  } catch (thrown) {
    return { unavailable: asError(thrown).message }
  }
}

/** JSON `{ input, budget }`, or a form with the files by their input's name and `input` as JSON. */
async function readRun(context: Context, { gateway }: Door, document: Pipeline): Promise<Omit<RunRequest, 'pipeline'>> {
  const { blobs } = gateway.user.node
  const form = context.req.header('content-type')?.startsWith('multipart/form-data') ?? false
  const body = form ? await readForm(context) : await bodyOf(context, RUN_BYTES_MAX)
  const { input = {}, budget, ...rest } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new AigenError('gateway.unsupported', `${unknown}: there are input and budget.`, { path: unknown })
  if (budget !== undefined && typeof budget !== 'string') throw new AigenError('money.invalid', undefined, { path: 'budget' })
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw new AigenError('input.invalid', 'input is an object.', { path: 'input' })
  if (blobsIn(input).length > 0) throw new AigenError('gateway.unsupported', 'A blob is sent as a data URL: {"$data":"data:image/png;base64,…"}.', { path: 'input' })
  // A plain data URL stands for the blob where the pipeline wants a file.
  const files = fileInputs(document)
  const wrapped = Object.fromEntries(Object.entries(input).map(([key, value]) => [key, key in files && typeof value === 'string' ? { $data: value } : value]))
  return { inputs: await takeBlobs(wrapped, blobs) as Record<string, unknown>, ...(budget === undefined ? {} : { budget }) }
}

async function readForm(context: Context): Promise<object> {
  const form = await context.req.parseBody()
  const { input, budget, ...parts } = form
  const given = typeof input === 'string' ? decodeJson(new TextEncoder().encode(input), { bytesMax: RUN_BYTES_MAX }) : {}
  const files = await Promise.all(Object.entries(parts).map(async ([name, part]) => {
    if (!(part instanceof File)) return [name, part] as const
    return [name, { $data: `data:${part.type || 'application/octet-stream'};base64,${Buffer.from(await part.arrayBuffer()).toString('base64')}` }] as const
  }))
  return { input: { ...(given as object), ...Object.fromEntries(files) }, ...(budget === undefined ? {} : { budget }) }
}

/** Rows for one client; the oldest go when it is too slow, since the bill says all of it again. */
function rowQueue(): { push(row: StepRow): void; end(): void; next(): Promise<StepRow | undefined> } {
  const rows: StepRow[] = []
  let ended = false
  let wake = (): void => {}
  return {
    push: (row) => {
      if (rows.push(row) > ROWS_MAX) rows.shift()
      wake()
    },
    end: () => {
      ended = true
      wake()
    },
    next: async () => {
      while (rows.length === 0 && !ended) await new Promise<void>((resolve) => (wake = resolve))
      return rows.shift()
    },
  }
}
