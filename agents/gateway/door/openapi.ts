/**
 * The OpenAPI 3.1 document of the gateway. Its paths are those of the application: a test holds both
 * against each other. Bodies of OpenAI's API are described as far as the gateway takes them.
 */
type Json = Readonly<Record<string, unknown>>

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` })
const json = (schema: Json): Json => ({ 'application/json': { schema } })
const object = (properties: Json, required: readonly string[] = [], more: Json = {}): Json => ({ type: 'object', properties, ...(required.length ? { required } : {}), ...more })
const list = (items: Json): Json => object({ object: { const: 'list' }, data: { type: 'array', items } }, ['object', 'data'])
const text: Json = { type: 'string' }
const money: Json = { type: 'string', pattern: '^(0|[1-9][0-9]*)(\\.[0-9]{1,6})?$', description: 'decimal string of the dollar' }
const whole = (minimum: number): Json => ({ type: 'integer', minimum })
const path = (name: string): Json => ({ name, in: 'path', required: true, schema: text })
const idempotency: Json = { name: 'Idempotency-Key', in: 'header', schema: { type: 'string', maxLength: 255 }, description: 'the same key with the same request is done and paid once, for a day' }

const REFUSALS: Readonly<Record<string, string>> = {
  400: 'The request is wrong; `param` names what.', 401: 'The key or session is missing, unknown or revoked.', 402: 'Credit or budget is used up.', 404: 'There is no such thing.',
  409: 'A request with this Idempotency-Key is under way.', 422: 'The Idempotency-Key came with another request, or a provider cannot work with the input.', 429: 'Too much this minute or at once; see Retry-After.', 502: 'The provider failed.', 503: 'Nobody offers this now.', 504: 'The provider was too late.',
}
const refused = (...statuses: readonly number[]): Json => Object.fromEntries(statuses.map((status) => [status, { description: REFUSALS[status]!, content: json(ref('Error')) }]))
const events = (description: string): Json => ({ 'text/event-stream': { schema: { type: 'string', description } } })
const answer = (description: string, content: Json, headers?: Json): Json => ({ 200: { description, content, ...(headers ? { headers } : {}) } })
const body = (schema: Json): Json => ({ requestBody: { required: true, content: json(schema) } })
const cost: Json = Object.fromEntries([['x-aigen-run', 'run'], ['x-aigen-provider', 'who did it'], ['x-aigen-price', 'what the provider got'], ['x-aigen-fee', 'service fee']].map(([name, description]) => [name, { description, schema: text }]))
const session: Json = { security: [{ session: [] }] }

/** @param url base address that clients use */
export function openApi(url: string): Json {
  return {
    openapi: '3.1.0',
    info: { title: 'AIGEN gateway', version: '1', description: 'Models and pipelines of the AIGEN network for accounts, in the manner of OpenAI\'s API.' },
    servers: [{ url }],
    security: [{ key: [] }],
    paths: {
      '/healthz': { get: { summary: 'Whether it serves', security: [], responses: answer('It does.', json(object({ ok: { type: 'boolean' } }))) } },
      '/openapi.json': { get: { summary: 'This document', security: [], responses: answer('OpenAPI 3.1.', json({ type: 'object' })) } },
      '/api/auth/sign-up/email': { post: { summary: 'Open an account', security: [], ...body(object({ email: text, password: { type: 'string', minLength: 10 }, name: text }, ['email', 'password', 'name'])), responses: answer('The account, with a session cookie.', json({ type: 'object' })) } },
      '/api/auth/sign-in/email': { post: { summary: 'Begin a session', security: [], ...body(object({ email: text, password: text }, ['email', 'password'])), responses: answer('The session, as a cookie.', json({ type: 'object' })) } },
      '/api/auth/sign-out': { post: { summary: 'End the session', ...session, responses: answer('Ended.', json({ type: 'object' })) } },
      '/v1/account': { get: { summary: 'Tier, balance, quota and plan', security: [{ key: [] }, { session: [] }], responses: { ...answer('The account.', json(ref('Account'))), ...refused(401) } } },
      '/v1/keys': {
        get: { summary: 'The account\'s keys', ...session, responses: { ...answer('Keys with their limits and use.', json(list(ref('Key')))), ...refused(401) } },
        post: { summary: 'Make a key', ...session, ...body(object({ name: text, limits: ref('Limits') })), responses: { 201: { description: 'The key, shown once.', content: json(object({ id: text, key: text }, ['id', 'key'])) }, ...refused(400, 401) } },
      },
      '/v1/keys/{id}': { delete: { summary: 'Revoke a key', ...session, parameters: [path('id')], responses: { ...answer('Revoked.', json(object({ id: text, revoked: { const: true } }))), ...refused(401, 404) } } },
      '/v1/key': { get: { summary: 'Limit, remaining and usage of the key that asks', responses: { ...answer('The key.', json(object({ data: ref('Key') }, ['data']))), ...refused(401) } } },
      '/v1/models': { get: { summary: 'Models served now', responses: { ...answer('Models.', json(list(ref('Model')))), ...refused(401) } } },
      '/v1/models/{id}': { get: { summary: 'One model', parameters: [path('id')], responses: { ...answer('The model.', json(ref('Model'))), ...refused(401, 404) } } },
      '/v1/chat/completions': { post: { summary: 'Continue a conversation', parameters: [idempotency], ...body(ref('ChatRequest')), responses: { ...answer('The answer; a stream of chunks when `stream`.', { ...json({ type: 'object' }), ...events('chat.completion.chunk objects, then [DONE]') }, cost), ...refused(400, 401, 402, 404, 409, 422, 429, 502, 503, 504) } } },
      '/v1/embeddings': { post: { summary: 'Embed texts', parameters: [idempotency], ...body(ref('EmbeddingRequest')), responses: { ...answer('Vectors, in the order of the texts.', json({ type: 'object' }), cost), ...refused(400, 401, 402, 404, 409, 422, 429, 502, 503, 504) } } },
      '/v1/pipelines': { get: { summary: 'Pipelines that can be run, with their inputs and worst case', responses: { ...answer('Pipelines.', json(list({ type: 'object' }))), ...refused(401) } } },
      '/v1/pipelines/{name}/runs': {
        post: {
          summary: 'Run a pipeline; with Accept: text/event-stream as it happens, with Prefer: respond-async at once', parameters: [path('name'), idempotency],
          requestBody: { required: true, content: { ...json(ref('RunRequest')), 'multipart/form-data': { schema: object({ input: { type: 'string', description: 'JSON object' }, budget: money }, [], { additionalProperties: { type: 'string', contentMediaType: 'application/octet-stream' } }) } } },
          responses: { ...answer('The run, ended.', { ...json(ref('Run')), ...events('events run, step, answer or error, bill') }, cost), 202: { description: 'The run, begun.', content: json(ref('Run')) }, ...refused(400, 401, 402, 404, 409, 422, 429, 502, 503) },
        },
      },
      '/v1/pipelines/{name}/runs/{id}': {
        get: { summary: 'Where the run stands', parameters: [path('name'), path('id')], responses: { ...answer('The run.', json(ref('Run'))), ...refused(401, 404) } },
        delete: { summary: 'Cancel the run: what was delivered is paid', parameters: [path('name'), path('id')], responses: { 202: { description: 'Asked to stop.', content: json(ref('Run')) }, ...refused(401, 404) } },
      },
      '/v1/pipelines/{name}/runs/{id}/events': { get: { summary: 'The run as it happens', parameters: [path('name'), path('id')], responses: { ...answer('Events.', events('events run, step, answer or error, bill')), ...refused(401, 404) } } },
      '/v1/pipelines/{name}/runs/{id}/bill': { get: { summary: 'What the run cost, step by step', parameters: [path('name'), path('id')], responses: { ...answer('The bill; `account` says what the account paid.', json({ type: 'object' })), ...refused(401, 404) } } },
    },
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'an API key' },
        session: { type: 'apiKey', in: 'cookie', name: 'better-auth.session_token' },
      },
      schemas: {
        Error: object({ error: object({ message: text, type: text, param: { type: ['string', 'null'] }, code: text }, ['message', 'type', 'param', 'code']) }, ['error']),
        Limits: object({ maxBudget: money, budgetDurationMs: whole(1), rpm: whole(1), tpm: whole(1), maxParallel: whole(1), allowed: { type: 'array', maxItems: 64, items: text }, maxTokens: whole(1) }, [], { additionalProperties: false }),
        Key: object({ limits: ref('Limits'), limit: { anyOf: [money, { type: 'null' }] }, limit_remaining: { anyOf: [money, { type: 'null' }] }, usage: money, parallel: whole(0) }),
        Account: object({ tier: text, terms: { type: 'object' }, balance: money, held: money, plan: { type: 'object' }, free: { type: 'object' } }),
        Model: object({ id: text, object: { const: 'model' }, created: whole(0), owned_by: text, capability: text, providers: { type: 'array', items: { type: 'object' } } }, ['id', 'object']),
        ChatRequest: object({
          model: text, messages: { type: 'array', minItems: 1, items: { type: 'object' } }, stream: { type: 'boolean' }, stream_options: object({ include_usage: { type: 'boolean' } }), max_completion_tokens: whole(1), max_tokens: whole(1),
          temperature: { type: 'number' }, top_p: { type: 'number' }, stop: { anyOf: [text, { type: 'array', maxItems: 4, items: text }] }, seed: { type: 'integer' }, tools: { type: 'array', items: { type: 'object' } }, tool_choice: {}, response_format: { type: 'object' },
        }, ['model', 'messages']),
        EmbeddingRequest: object({ model: text, input: { anyOf: [text, { type: 'array', minItems: 1, items: text }] }, encoding_format: { enum: ['float', 'base64'] }, dimensions: whole(1) }, ['model', 'input']),
        RunRequest: object({ input: { type: 'object', description: 'files as data URLs' }, budget: money }, [], { additionalProperties: false }),
        Run: object({ id: text, object: { const: 'pipeline.run' }, pipeline: text, state: { enum: ['running', 'done', 'failed', 'cancelled'] }, steps: { type: 'array', items: { type: 'object' } }, output: {}, blobs: { type: 'object', additionalProperties: text } }, ['id', 'object', 'state']),
      },
    },
  }
}
