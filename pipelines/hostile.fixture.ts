/** Documents that a stranger could send to stall or fill a host, and what must be said of each. Used by `hostile.integration.test.ts`. */

const doc = (steps: string, more = ''): string => `{"name":"a","version":"1.0.0","budget":{"max":"1"}${more},"steps":{${steps}},"output":{}}`
const step = (field: string): string => doc(`"a":{"uses":"text.entities@1","price":{"max":"0.01"},${field}}`)
const joined = (length: number, of: (index: number) => string, between = ','): string => Array.from({ length }, (_, index) => of(index)).join(between)

/** Made where they are used, since some are large. */
export const HOSTILE: Readonly<Record<string, { readonly make: () => string; readonly error: RegExp }>> = {
  '10 MB': { make: () => step(`"with":{"text":"${'x'.repeat(10_000_000)}"}`), error: /characters/ },
  '10 MB of YAML': { make: () => `name: a\nsteps:\n${joined(500_000, (index) => `  s${index}: {}`, '\n')}`, error: /characters/ },
  '4 MB of keys': { make: () => step(`"with":{${joined(300_000, (index) => `"k${index}":1`)}}`), error: /more than 262144 values/ },
  '4 MB of a list': { make: () => step(`"with":{"text":[${'1,'.repeat(2_000_000)}1]}`), error: /more than 262144 values/ },
  'a giant key': { make: () => step(`"with":{"${'k'.repeat(4_000_000)}":1}`), error: /takes no k+…?/ },
  '1,000,000 steps': { make: () => `{"steps":{${joined(1_000_000, (index) => `"${index}":1`)}}}`, error: /characters/ },
  '300,000 steps': { make: () => doc(joined(300_000, (index) => `"s${index}":{}`)), error: /more than 262144 values/ },
  '200,000 steps': { make: () => doc(joined(200_000, (index) => `"s${index}":{}`)), error: /200000 steps, 10000 are allowed/ },
  'a depth bomb': { make: () => '['.repeat(2_000_000) + ']'.repeat(2_000_000), error: /nested deeper than 64/ },
  'a depth bomb in a step': { make: () => step(`"with":{"text":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`), error: /nested deeper than 64/ },
  'a depth bomb of YAML': { make: () => `a: ${'['.repeat(1_000_000)}`, error: /nested deeper than 64/ },
  'a bomb of YAML aliases': { make: () => `a0: &a0 [x,x,x,x,x,x,x,x,x]\n${joined(60, (index) => `a${index + 1}: &a${index + 1} [${`*a${index},`.repeat(9)}]`, '\n')}`, error: /copies by aliases counted/ },
  'a million YAML documents': { make: () => '--- a\n'.repeat(170_000), error: /second document/ },
  '__proto__': { make: () => step('"with":{"__proto__":{"polluted":1}}'), error: /__proto__ is not allowed/ },
  'constructor as a step': { make: () => doc('"constructor":{"uses":"text.entities@1"}'), error: /cannot be the name/ },
  'a cycle of 10,000 steps': { make: () => doc(joined(10_000, (index) => `"s${index}":{"uses":"text.entities@1","price":{"max":"0"},"with":{"text":"x"},"needs":["s${(index + 1) % 10_000}"]}`)), error: /wait for each other/ },
  'a chain of 10,000 steps': { make: () => doc(joined(10_000, (index) => `"s${index}":{"uses":"nobody.has@1","needs":[${index > 0 ? `"s${index - 1}"` : ''}]}`)), error: /nobody offers/ },
  'needs of everybody': { make: () => doc(joined(1_000, (index) => `"s${index}":{"uses":"nobody.has@1","needs":[${joined(Math.min(index, 200), (other) => `"s${other}"`)}]}`)), error: /nobody offers/ },
  '10,000 parentheses': { make: () => step(`"with":{"text":"\${${'('.repeat(10_000)}1${')'.repeat(10_000)}}"}`), error: /may have 4096 characters/ },
  '100,000 operators': { make: () => step(`"with":{"text":"\${1${'+1'.repeat(100_000)}}"}`), error: /may have 4096 characters/ },
  'an expression without its end': { make: () => step(`"with":{"text":"\${${'{'.repeat(3_000)}"}`), error: /no closing brace/ },
  '100,000 expressions in a text': { make: () => step(`"with":{"text":"${'${1}'.repeat(100_000)}"}`), error: /More than 10000 expressions/ },
  'a regex bomb': { make: () => step(`"expect":"\${output.text.matches('${'(a*)*'.repeat(2_000)}$')}"`), error: /at most 8192 characters/ },
  'a list bomb': { make: () => step(`"expect":"\${${'[1,2,3].map(a, '.repeat(30)}1${')'.repeat(30)}.size() > 0}"`), error: /no static bound/ },
  'a huge forEach': { make: () => step('"forEach":"${[1]}","maxItems":1000000000,"with":{"text":"x"}'), error: /at most 10000/ },
  'a price beyond any lane': { make: () => doc('"a":{"uses":"text.entities@1","with":{"text":"x"},"forEach":"${[1]}","maxItems":10000,"price":{"max":"340282366920938463463374607431768.211455"},"retry":{"attempts":10}}'), error: /worst case is/ },
  'a schema that grows': { make: () => doc('"a":{"uses":"text.entities@1","with":{"text":"x"}}', `,"input":{"type":"object","$defs":{${joined(60, (index) => `"d${index}":{"allOf":[{"$ref":"#/$defs/d${index + 1}"},{"$ref":"#/$defs/d${index + 1}"}]}`)},"d60":{}},"$ref":"#/$defs/d0"}`), error: /more than 32 levels/ },
  'a pattern in a schema': { make: () => doc('"a":{"uses":"text.entities@1","with":{"text":"x"}}', `,"input":{"type":"object","properties":{"x":{"type":"string","pattern":"${'(a+)+'.repeat(500)}$"}}}`), error: /too complex/ },
  'pipelines that run each other': { make: () => { const inner = (other: string): string => `{"name":"p","version":"1.0.0","steps":{"x":{"pipeline":"${other}"}},"output":{}}`; return doc('"a":{"pipeline":"p"}', `,"pipelines":{"p":${inner('q')},"q":${inner('p')}}`) }, error: /run each other/ },
  'sub-pipelines that multiply': { make: () => doc('"a":{"pipeline":"p0"}', `,"pipelines":{${joined(8, (index) => `"p${index}":{"name":"p","version":"1.0.0","steps":{${joined(10, (at) => `"s${at}":{"pipeline":"p${index + 1}"}`)}},"output":{}}`)},"p8":{"name":"p","version":"1.0.0","steps":{"x":{"uses":"text.entities@1","price":{"max":"0.01"}}},"output":{}}}`), error: /are allowed|deeper than/ },
  'sub-pipelines inside each other': { make: () => { let inner = '{"name":"p","version":"1.0.0","steps":{"x":{"uses":"text.entities@1"}},"output":{}}'; for (let depth = 0; depth < 30; depth++) inner = `{"name":"p","version":"1.0.0","pipelines":{"p${depth}":${inner}},"steps":{"x":{"pipeline":"p${depth}"}},"output":{}}`; return inner }, error: /deeper than/ },
}
