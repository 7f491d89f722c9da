/**
 * A model vendor on this machine that answers from a script, in the wire formats of OpenAI (chat
 * completions and its server-sent events), Anthropic (messages and its event stream) and Ollama
 * (/api/chat in NDJSON), for tests of whatever calls one over HTTP. It refuses, breaks off, and
 * pauses where the script says so.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface VendorAnswer {
  /** Sent word by word. */
  readonly text?: string
  readonly toolCalls?: readonly { readonly name: string; readonly arguments: Readonly<Record<string, unknown>>; readonly id?: string }[]
  /** null: the vendor does not count. Default 7 in, 5 out. */
  readonly usage?: { readonly input: number; readonly output: number } | null
  /** As the vendor calls it; default that of a good end. */
  readonly finish?: string
  /** A refusal instead of an answer. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly error?: { readonly message: string; readonly code?: string }
  /** After so many pieces: the connection is torn, or the stream just ends, or says an error. */
  readonly after?: { readonly pieces: number; readonly do: 'tear' | 'end' | 'error' }
  /** Awaited before each piece; gets its number from 0. */
  readonly pause?: (piece: number) => Promise<unknown> | undefined
}

export interface VendorRequest {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: any
}

export interface ScriptedVendorOptions {
  /** In order, the last for ever; or by the request and its number from 0. */
  readonly answers: readonly (VendorAnswer | string)[] | ((request: VendorRequest, number: number) => VendorAnswer | string)
  /** The only key that is taken (default `test-key`). */
  readonly key?: string
  /** What it lists (default `model-a`, `model-b`). */
  readonly models?: readonly string[]
}

export interface ScriptedVendor {
  /** Base addresses as each vendor's client wants them. */
  readonly urls: { readonly openai: string; readonly anthropic: string; readonly ollama: string }
  readonly key: string
  /** Calls of a model, refused ones included, in order. */
  readonly requests: VendorRequest[]
  /** Takes no key at all from now on, or its own again. */
  refuse(all: boolean): void
  /** Resolves when so many answers were given up by their caller. */
  dropped(count: number): Promise<void>
  close(): Promise<void>
}

export async function scriptedVendor({ answers, key = 'test-key', models = ['model-a', 'model-b'] }: ScriptedVendorOptions): Promise<ScriptedVendor> {
  const requests: VendorRequest[] = []
  let drops = 0
  let refusing = false
  let heard: (() => void)[] = []
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()))

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url!.split('?')[0]!
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    }
    const format = path === '/v1/messages' ? ANTHROPIC : path === '/api/chat' ? OLLAMA : OPENAI
    const named = request.headers['x-api-key'] ?? request.headers.authorization?.replace(/^Bearer /, '')
    if (!path.startsWith('/api/') && (refusing || named !== key)) return json(401, format.error({ message: `Incorrect API key provided: ${named}.`, code: 'invalid_api_key' }))
    if (path === '/v1/models') return json(200, { object: 'list', data: models.map((id) => ({ id, object: 'model', type: 'model' })) })
    if (path === '/api/tags') return json(200, { models: models.map((name) => ({ name, model: name })) })
    if (!['/v1/chat/completions', '/v1/messages', '/api/chat'].includes(path)) return json(404, { error: { message: `no ${path}` } })
    const body: any = JSON.parse(Buffer.concat(parts).toString())
    const number = requests.push({ path, headers: request.headers, body }) - 1
    const said = typeof answers === 'function' ? answers(requests[number]!, number) : answers[Math.min(number, answers.length - 1)]!
    const one: VendorAnswer = typeof said === 'string' ? { text: said } : said
    if (one.status !== undefined && one.status !== 200) return json(one.status, format.error(one.error ?? { message: `scripted ${one.status}` }), one.headers)
    const frames = format.frames(one, body)
    // Ollama streams unless told not to, the others when told to.
    if (body.stream !== true && !(format === OLLAMA && body.stream === undefined)) return json(400, format.error({ message: 'this script streams only: stream must be true' }))
    response.on('close', () => {
      if (response.writableFinished) return
      drops++
      for (const one of heard) one()
    })
    response.writeHead(200, { 'content-type': format.type, ...one.headers })
    for (const [place, frame] of frames.entries()) {
      await one.pause?.(place)
      if (response.destroyed) return
      if (one.after?.pieces === place) {
        if (one.after.do === 'tear') return void response.destroy()
        if (one.after.do === 'error') response.write(format.frame(format.error({ message: 'scripted failure', code: 'server_error' }), 'error'))
        return void response.end()
      }
      response.write(frame)
      // Lets the bytes go out by themselves: a torn connection would lose what is only buffered.
      await new Promise((resolve) => setImmediate(resolve))
    }
    response.end()
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    urls: { openai: `${root}/v1`, anthropic: root, ollama: root },
    key,
    requests,
    refuse: (all) => void (refusing = all),
    dropped: (count) => new Promise((resolve) => {
      const check = (): void => void (drops >= count && resolve())
      heard = [...heard, check]
      check()
    }),
    close: () => new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}

interface Format {
  readonly type: string
  frame(value: unknown, event?: string): string
  error(error: { message: string; code?: string }): object
  frames(answer: VendorAnswer, body: any): string[]
}

const words = (text = ''): string[] => text.match(/\s*\S+/g) ?? []
const halves = (value: unknown): string[] => {
  const text = JSON.stringify(value)
  return [text.slice(0, Math.ceil(text.length / 2)), text.slice(Math.ceil(text.length / 2))]
}
const usageOf = ({ usage }: VendorAnswer): { input: number; output: number } | null => (usage === undefined ? { input: 7, output: 5 } : usage)

const OPENAI: Format = {
  type: 'text/event-stream',
  frame: (value) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`,
  error: ({ message, code }) => ({ error: { message, type: 'invalid_request_error', param: null, code: code ?? null } }),
  frames(answer, { model, stream_options: options }) {
    const chunk = (delta: object, finish: string | null = null): string =>
      this.frame({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model, system_fingerprint: 'fp', choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })
    const calls = answer.toolCalls ?? []
    const counted = usageOf(answer)
    return [
      chunk({ role: 'assistant', content: '' }),
      ...words(answer.text).map((content) => chunk({ content })),
      ...calls.flatMap(({ name, arguments: value, id }, index) => [
        chunk({ tool_calls: [{ index, id: id ?? `call_${index}`, type: 'function', function: { name, arguments: '' } }] }),
        ...halves(value).map((half) => chunk({ tool_calls: [{ index, function: { arguments: half } }] })),
      ]),
      chunk({}, answer.finish ?? (calls.length > 0 ? 'tool_calls' : 'stop')),
      ...(counted && options?.include_usage === true
        ? [this.frame({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model, choices: [], usage: { prompt_tokens: counted.input, completion_tokens: counted.output, total_tokens: counted.input + counted.output } })]
        : []),
      this.frame('[DONE]'),
    ]
  },
}

const ANTHROPIC: Format = {
  type: 'text/event-stream',
  frame: (value, event) => `event: ${event ?? (value as { type: string }).type}\ndata: ${JSON.stringify(value)}\n\n`,
  error: ({ message, code }) => ({ type: 'error', error: { type: code ?? 'invalid_request_error', message } }),
  frames(answer, { model }) {
    const calls = answer.toolCalls ?? []
    const counted = usageOf(answer)
    const block = (index: number, start: object, deltas: readonly object[]): string[] => [
      this.frame({ type: 'content_block_start', index, content_block: start }),
      ...deltas.map((delta) => this.frame({ type: 'content_block_delta', index, delta })),
      this.frame({ type: 'content_block_stop', index }),
    ]
    const text = words(answer.text)
    const first = text.length > 0 ? 1 : 0
    return [
      // What it has written so far stands at 1 here, and in all at the end.
      this.frame({ type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', model, content: [], stop_reason: null, stop_sequence: null, usage: counted ? { input_tokens: counted.input, output_tokens: 1 } : { input_tokens: 0, output_tokens: 0 } } }),
      ...(first === 0 ? [] : block(0, { type: 'text', text: '' }, text.map((word) => ({ type: 'text_delta', text: word })))),
      this.frame({ type: 'ping' }),
      ...calls.flatMap(({ name, arguments: value, id }, place) =>
        block(first + place, { type: 'tool_use', id: id ?? `toolu_${place}`, name, input: {} }, halves(value).map((half) => ({ type: 'input_json_delta', partial_json: half })))),
      this.frame({ type: 'message_delta', delta: { stop_reason: answer.finish ?? (calls.length > 0 ? 'tool_use' : 'end_turn'), stop_sequence: null }, usage: { output_tokens: counted?.output ?? 0 } }),
      this.frame({ type: 'message_stop' }),
    ]
  },
}

const OLLAMA: Format = {
  type: 'application/x-ndjson',
  frame: (value) => `${JSON.stringify(value)}\n`,
  error: ({ message }) => ({ error: message }),
  frames(answer, { model }) {
    const counted = usageOf(answer)
    const line = (message: object, more: object = { done: false }): string => this.frame({ model, created_at: '2026-01-01T00:00:00Z', message: { role: 'assistant', content: '', ...message }, ...more })
    return [
      ...words(answer.text).map((content) => line({ content })),
      ...(answer.toolCalls?.length ? [line({ tool_calls: answer.toolCalls.map(({ name, arguments: value }) => ({ function: { name, arguments: value } })) })] : []),
      line({}, { done: true, done_reason: answer.finish ?? 'stop', total_duration: 1, load_duration: 1, prompt_eval_duration: 1, eval_duration: 1, ...(counted ? { prompt_eval_count: counted.input, eval_count: counted.output } : {}) }),
    ]
  },
}
