// An enterprise without a node: gets an access key sealed to its public key, opens it, narrows a copy
// for a colleague, and calls the provider's HTTP door. On a running `aigen dev`:
//   node examples/programs/enterprise.js
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attenuate, callWithKey } from 'aigen'

const folder = mkdtempSync(join(tmpdir(), 'enterprise-'))
const aigen = (...words) => execFileSync('npx', ['aigen', ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()

// 1. The enterprise makes a key pair and sends the public part to the provider.
const publicKey = aigen('key', 'new', '--out', join(folder, 'private'))
// 2. The provider's operator issues a key: 100 calls at most, for thirty days.
aigen('key', 'issue', '--as', 'plain-engine', '--to', publicKey, '--label', 'ACME', '--quota', '100', '--expires', '30d', '--out', join(folder, 'sealed.json'))
// 3. Only the enterprise can open it.
console.log(aigen('key', 'open', join(folder, 'sealed.json'), '--key', join(folder, 'private'), '--out', join(folder, 'key.json')))
const access = JSON.parse(readFileSync(join(folder, 'key.json'), 'utf8'))

// 4. A colleague gets a copy that works twice, made without asking anybody.
const colleague = { ...access, key: attenuate(access.key, { calls: 2 }) }
const work = { access: colleague, capability: 'compute.run@1', input: { source: 'return input.list.reduce((sum, n) => sum + n, 0)', input: { list: [1, 2, 3] } } }
for (let round = 1; round <= 3; round++) {
  const answer = await callWithKey(work).catch((error) => error)
  console.log(answer.output ? `${JSON.stringify(answer.output.result)} for ${answer.price}` : `${answer.code}: ${answer.message}`)
}
