/**
 * Layers and fences of DESIGN ("The house"), one rule each; `comment` says what to do instead.
 * Run by .ci/layers.js (npm run layers), which also plants a violation of every rule and fails when
 * one is not reported. Type imports count like any other. `proof` is that planted violation:
 * [file, imported], read by layers.js only.
 */
const TEST = '\\.(test|contract|fixture|scenario)\\.ts$'
const npm = (...names) => `(^|node_modules/)(${names.join('|')})(/|$)`

const rules = [
  // layers: schemas ← runtime ← pipelines ← agents ← examples
  {
    name: 'schemas-at-the-bottom', from: { path: '^schemas/' }, to: { path: '^(runtime|pipelines|agents|examples|bin|bench)/' },
    comment: 'schemas/ says what things are and imports no other room: move the code up, or the part both need down into schemas/.',
    proof: ['schemas/a.ts', '../runtime/ports/clock.ts'],
  },
  {
    name: 'runtime-below-pipelines', from: { path: '^runtime/' }, to: { path: '^(pipelines|agents|examples|bin|bench)/' },
    comment: 'runtime/ knows no pipeline and no agent: pass the thing in (runtime/node is given its machines as a registry).',
    proof: ['runtime/node/a.ts', '../../pipelines/plan.ts'],
  },
  {
    name: 'pipelines-below-agents', from: { path: '^pipelines/' }, to: { path: '^(agents|examples|bin|bench)/' },
    comment: 'pipelines/ knows no agent: make it an effect that the agent carries out, or pass it in.',
    proof: ['pipelines/a.ts', '../agents/provider/define.ts'],
  },
  {
    name: 'agents-below-examples', from: { path: '^agents/' }, to: { path: '^(examples|bin|bench)/' },
    comment: 'agents/ is the published core: nothing in it may need the examples, the command line or the benchmarks.',
    proof: ['agents/user/a.ts', '../../examples/devnet/a.ts'],
  },
  {
    name: 'examples-import-no-command-line', from: { path: '^examples/' }, to: { path: '^(bin|bench)/' },
    comment: 'Examples are programs of users: they import aigen, not its command line.',
    proof: ['examples/devnet/a.ts', '../../bin/main.ts'],
  },
  {
    name: 'examples-by-dynamic-import', from: { path: '^(bin|index\\.ts|llm\\.ts)' }, to: { path: '^examples/', dynamic: false },
    comment: 'The examples are absent where only the package is installed: load them by `await import(…)` and say how to get them.',
    proof: ['bin/a.ts', '../examples/devnet/a.ts'],
  },
  {
    name: 'entry-point-for-outsiders', from: { path: '^(schemas|runtime|pipelines|agents|bin)/' }, to: { path: '^(index|llm)\\.ts$' },
    comment: 'index.ts and llm.ts are the doors for programs outside: import the file that has the thing.',
    proof: ['agents/user/b.ts', '../../index.ts'],
  },
  // rooms of runtime/
  {
    name: 'ports-are-interfaces', from: { path: '^runtime/ports/', pathNot: TEST }, to: { path: '^runtime/', pathNot: '^runtime/ports/' },
    comment: 'A port is what its implementations share and imports schemas/ only: move the code to the implementation.',
    proof: ['runtime/ports/a.ts', '../nats/bus.ts'],
  },
  {
    name: 'implementations-know-ports', from: { path: '^runtime/(nats|memory|evm|files)/', pathNot: TEST },
    to: { path: '^runtime/', pathNot: '^runtime/(ports|telemetry|evm|$1)/' },
    comment: 'nats, memory, evm and files implement ports and import only them (memory may use evm for digests): take what else you need as an argument.',
    proof: ['runtime/memory/a.ts', '../identity/keys.ts'],
  },
  {
    name: 'nats-and-evm-apart', from: { path: '^runtime/nats/', pathNot: TEST }, to: { path: '^runtime/evm/' },
    comment: 'The bus and the chain do not know each other: runtime/node wires both.',
    proof: ['runtime/nats/a.ts', '../evm/hex.ts'],
  },
  {
    name: 'identity-on-ports-and-evm', from: { path: '^runtime/identity/', pathNot: TEST },
    to: { path: '^runtime/', pathNot: '^runtime/(ports|evm|telemetry|identity)/' },
    comment: 'identity imports ports, evm and telemetry: take the bus, journal or machine as an argument.',
    proof: ['runtime/identity/a.ts', '../market/card.ts'],
  },
  {
    name: 'light-on-ports-evm-and-identity', from: { path: '^runtime/light/', pathNot: TEST }, to: { path: '^runtime/', pathNot: '^runtime/(ports|evm|identity|light)/' },
    comment: 'light is a rail over relays and imports ports, evm and identity: take what else you need as an argument.',
    proof: ['runtime/light/a.ts', '../memory/rail.ts'],
  },
  {
    name: 'actors-on-ports', from: { path: '^runtime/actors/', pathNot: TEST }, to: { path: '^runtime/', pathNot: '^runtime/(ports|telemetry|actors)/' },
    comment: 'actors runs any machine over any journal and imports ports only: a machine or an effect handler is passed in.',
    proof: ['runtime/actors/a.ts', '../payments/lane.ts'],
  },
  {
    name: 'trade-without-implementations', from: { path: '^runtime/(market|payments)/', pathNot: TEST },
    to: { path: '^runtime/(nats|memory|files|node|simulation)/' },
    comment: 'market and payments talk to ports: the implementation comes from runtime/node.',
    proof: ['runtime/payments/a.ts', '../nats/bus.ts'],
  },
  {
    name: 'telemetry-is-a-leaf', from: { path: '^runtime/telemetry/', pathNot: TEST }, to: { path: '^runtime/', pathNot: '^runtime/(ports|telemetry)/' },
    comment: 'Everything may use telemetry, so telemetry uses nothing but ports.',
    proof: ['runtime/telemetry/a.ts', '../actors/host.ts'],
  },
  {
    name: 'node-wires-nobody-imports-it', from: { path: '^runtime/(?!node/|simulation/)', pathNot: TEST }, to: { path: '^runtime/(node|simulation)/' },
    comment: 'runtime/node is the one place that wires ports to rooms; a room takes what it needs as arguments.',
    proof: ['runtime/market/a.ts', '../node/system-clock.ts'],
  },
  // fences
  {
    name: 'nats-in-runtime-nats', from: { pathNot: '^(runtime/nats|bench)/' }, to: { path: npm('@nats-io/.+', 'nats') },
    comment: 'NATS stays in runtime/nats: use the Bus, Journal or Blobs port.',
    proof: ['runtime/identity/b.ts', '@nats-io/nats-core'],
  },
  {
    name: 'chain-in-runtime-evm', from: { pathNot: '^(runtime/evm|bench)/' }, to: { path: npm('viem', 'secp256k1', 'abitype', 'ox') },
    comment: 'viem and secp256k1 stay in runtime/evm: use the Rail or WalletSigner port.',
    proof: ['runtime/payments/b.ts', 'viem'],
  },
  {
    name: 'http-at-the-doors', from: { pathNot: `^agents/[^/]+/(door\\.|door/)|${TEST}` }, to: { path: npm('hono', '@hono/.+', 'better-auth', '@better-auth/.+') },
    comment: 'Hono and what it mounts stay in agents/*/door: let the door translate to a function call.',
    proof: ['agents/gateway/ledger.ts', 'hono'],
  },
  {
    name: 'language-models-in-agents-llm', from: { pathNot: `^(agents/llm|examples/programs)/|${TEST}` }, to: { path: npm('@langchain/.+', 'langchain', 'openai', '@anthropic-ai/.+') },
    comment: 'LangChain and model vendors stay in agents/llm (tests and the programs of users may be their client): hire a capability instead.',
    proof: ['agents/user/c.ts', '@langchain/core'],
  },
  {
    name: 'xstate-in-machines', from: { pathNot: '^runtime/actors/|\\.machine(\\.test)?\\.ts$|^bench/' }, to: { path: npm('xstate') },
    comment: 'xstate stays in runtime/actors and *.machine.ts: put the machine in a file of that name.',
    proof: ['runtime/payments/c.ts', 'xstate'],
  },
  // hygiene
  {
    name: 'no-cycles', from: {}, to: { circular: true },
    comment: 'Two files need each other: move what both need into a third.',
    proof: ['pipelines/ring.ts', './ring-back.ts'],
  },
  {
    name: 'nothing-unresolvable', from: {}, to: { couldNotResolve: true, pathNot: '^aigen(/llm)?$' },
    comment: 'There is no such file or package: relative imports end in .ts, packages stand in package.json.',
    proof: ['pipelines/b.ts', './missing.ts'],
  },
  {
    name: 'no-development-package-in-the-core', from: { path: '^(schemas|runtime|pipelines|agents|bin)/', pathNot: `${TEST}|^schemas/generate\\.js$|^runtime/evm/contracts/` },
    to: { dependencyTypes: ['npm-dev'] },
    comment: 'A user who installs aigen does not have it: move the package to dependencies, or the code to a test.',
    proof: ['pipelines/c.ts', 'fast-check'],
  },
]

module.exports = {
  proofs: rules.map(({ name, proof }) => ({ name, from: proof[0], imported: proof[1] })),
  forbidden: rules.map(({ proof: _proof, ...rule }) => ({ severity: 'error', ...rule })),
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    detectJSDocImports: false,
    doNotFollow: { path: 'node_modules' },
    // Not below node_modules: most packages live in a dist of their own.
    exclude: { path: '^(?!.*node_modules/).*(^|/)(dist|out|cache|\\.aigen)/|^dist/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['node', 'import', 'types', 'default'], extensions: ['.ts', '.js', '.json', '.d.ts', '.cjs', '.mjs'] },
    skipAnalysisNotInRules: false,
  },
}
