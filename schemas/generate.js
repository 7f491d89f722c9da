/**
 * Makes documents.gen.ts (a type per schema), registry.gen.ts (what validate.ts compiles) and
 * pipeline.editor.json (the pipeline's schema with all that it refers to, for editors) from the
 * *.schema.json files here. `npm run schemas` writes them; with --check nothing is written and
 * the exit code is 1 when a file is not what it would write (CI). Plain JavaScript, development only.
 *
 * Every `$ref` becomes the name of a type: the title of what it points to, or else file and key in
 * PascalCase (`pipeline.schema.json#/$defs/retry` is PipelineRetry; keys of parts have no prefix).
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile } from 'json-schema-to-typescript'

const here = fileURLToPath(new URL('.', import.meta.url))
const SUFFIX = '.schema.json'
const BANNER = '/* Made by schemas/generate.js from the *.schema.json files: run `npm run schemas`, do not edit. */'

const pascal = (text) => text.split(/[^A-Za-z0-9]+/).filter(Boolean).map((word) => word[0].toUpperCase() + word.slice(1)).join('')

/** Every schema file in a stable order: its path without suffix, and what it holds. */
function readAll() {
  const names = readdirSync(here, { recursive: true })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith(SUFFIX))
    .sort()
  return names.map((name) => ({ name: name.slice(0, -SUFFIX.length), schema: JSON.parse(readFileSync(join(here, name), 'utf8')) }))
}

const isRootType = (schema) => Boolean(schema.type ?? schema.oneOf ?? schema.anyOf ?? schema.$ref ?? schema.tsType)

/** Absolute `$ref` → name of its type, for everything that can be pointed to. */
function nameAll(files) {
  const names = new Map()
  for (const { name, schema } of files) {
    const base = schema.$id
    if (typeof base !== 'string') throw new Error(`${name}${SUFFIX} has no $id`)
    names.set(base, schema.title ?? pascal(name)).set(`${base}#`, schema.title ?? pascal(name))
    for (const [key, part] of Object.entries(schema.$defs ?? {})) {
      names.set(`${base}#/$defs/${key}`, part.title ?? (name === 'parts' ? pascal(key) : pascal(name) + pascal(key)))
    }
  }
  return names
}

/** The schema as json-schema-to-typescript reads it: refs as names of types, texts as templates. */
function plain(node, base, names) {
  if (Array.isArray(node)) return node.map((item) => plain(item, base, names))
  if (node === null || typeof node !== 'object') return node
  const kept = node.description === undefined ? {} : { description: node.description }
  if (typeof node.$ref === 'string') return { ...kept, tsType: named(node.$ref, base, names) }
  const branches = node.oneOf ?? node.anyOf
  if (branches?.every((branch) => branch.$ref)) {
    return { ...kept, tsType: branches.map((branch) => named(branch.$ref, base, names)).join(' | ') }
  }
  if (node.pattern?.startsWith('^0x')) return { ...kept, tsType: '`0x${string}`' }
  if (node.pattern?.startsWith('^sha256-')) return { ...kept, tsType: '`sha256-${string}`' }
  const copy = {}
  for (const [key, value] of Object.entries(node)) {
    if (key === '$defs' || key === '$id' || key === '$schema' || key === 'propertyNames') continue
    copy[key] = key === 'const' || key === 'enum' || key === 'default' ? value : plain(value, base, names)
  }
  return copy
}

function named(ref, base, names) {
  const name = names.get(new URL(ref, base).href)
  if (name === undefined) throw new Error(`$ref ${ref} in ${base} points to nothing`)
  return name
}

async function typeOf(name, schema) {
  const options = {
    bannerComment: '', unknownAny: true, ignoreMinAndMaxItems: true,
    style: { semi: false, singleQuote: true, printWidth: 140 },
  }
  return (await compile({ ...schema, title: name }, name, options)).trim()
}

/**
 * The schema called `name` in one file: editors resolve no $ref to an address that nobody serves. What
 * it refers to elsewhere becomes a part of it, under a name that holds where it came from; what has a
 * description of its own is written out, since editors would show that of what it refers to.
 */
function bundled(files, name) {
  const parts = new Map(files.flatMap(({ name: file, schema }) => Object.entries(schema.$defs ?? {}).map(([key, part]) => [`${schema.$id}#/$defs/${key}`, { key: file === name ? key : `${file}-${key}`, part, base: schema.$id }])))
  const { schema } = files.find((one) => one.name === name)
  const taken = {}
  const rewrite = (node, base) => {
    if (Array.isArray(node)) return node.map((item) => rewrite(item, base))
    if (node === null || typeof node !== 'object') return node
    const { $ref, ...rest } = node
    if (typeof $ref !== 'string') return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, rewrite(value, base)]))
    if ($ref === '#') return node
    const found = parts.get(new URL($ref, base).href)
    if (!found) throw new Error(`$ref ${$ref} in ${base} points to nothing that can be bundled`)
    if (Object.keys(rest).length > 0) return { ...rewrite(found.part, found.base), ...rest }
    if (!(found.key in taken)) {
      taken[found.key] = {}
      taken[found.key] = rewrite(found.part, found.base)
    }
    return { $ref: `#/$defs/${found.key}` }
  }
  const { $defs: _all, ...whole } = schema
  return `${JSON.stringify({ ...rewrite(whole, schema.$id), $comment: 'Made by schemas/generate.js: run npm run schemas, do not edit.', $defs: taken }, null, 2)}\n`
}

async function generate() {
  const files = readAll()
  const names = nameAll(files)
  const types = []
  const refs = []
  for (const { name, schema } of files) {
    const targets = Object.entries(schema.$defs ?? {}).map(([key, part]) => [`#/$defs/${key}`, part])
    if (isRootType(schema)) targets.unshift(['', schema])
    for (const [fragment, part] of targets) {
      const type = names.get(schema.$id + fragment)
      types.push(await typeOf(type, plain(part, schema.$id, names)))
      refs.push([type, schema.$id + fragment])
    }
    if (files.some((other) => other.name !== name && other.schema.$id === schema.$id)) throw new Error(`${schema.$id} stands twice`)
  }
  const seen = new Set()
  for (const [type] of refs) if (seen.has(type) || !seen.add(type)) throw new Error(`two schemas are called ${type}`)
  refs.sort(([a], [b]) => (a < b ? -1 : 1))
  const documents = [
    BANNER, '', ...types.flatMap((type) => [type, '']),
    '/** Every type above by its name, for `validate(name, value)`. */',
    'export interface Documents {', ...refs.map(([type]) => `  ${type}: ${type}`), '}', '',
  ].join('\n')
  const registry = [
    BANNER,
    ...files.map(({ name }) => `import ${variable(name)} from './${name}${SUFFIX}' with { type: 'json' }`), '',
    '/** Every schema file, in no order that matters. */',
    `export const SCHEMAS: readonly object[] = [${files.map(({ name }) => variable(name)).join(', ')}]`.replace(/(.{1,130})(?: |$)/g, '$1\n  ').trimEnd(), '',
    '/** Name of a type → where its schema stands. */',
    'export const REFS = {', ...refs.map(([type, ref]) => `  ${type}: '${ref}',`), '} as const', '',
  ].join('\n')
  return { 'documents.gen.ts': documents, 'registry.gen.ts': registry, 'pipeline.editor.json': bundled(files, 'pipeline') }
}

const variable = (name) => `schema${pascal(name)}`

function current(file) {
  try {
    return readFileSync(join(here, file), 'utf8')
  } catch {
    return undefined
  }
}

const check = process.argv.includes('--check')
for (const [file, text] of Object.entries(await generate())) {
  if (current(file) === text) continue
  if (check) {
    console.error(`schemas/${file} is not what the schemas say: run npm run schemas and commit it.`)
    process.exitCode = 1
  } else {
    writeFileSync(join(here, file), text)
    console.error(`wrote schemas/${file}`)
  }
}
