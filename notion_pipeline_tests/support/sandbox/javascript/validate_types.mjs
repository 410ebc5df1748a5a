// Validates lines of JSON, {type, label, value} each, from standard input against the JSON Schema that was generated
// from the SDK's types, twice:
//   open   - unknown keys allowed: a failure is a missing or mistyped field
//   closed - unknown keys refused: reported as "extra" keys, not as failures
// usage: node validate_types.mjs SCHEMA.json RELAX_ARCHIVED(0|1) MODULES_FOLDER
import { createRequire } from "node:module"
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"

const [schemaPath, relaxArchived, modulesDir] = process.argv.slice(2)
const require = createRequire(modulesDir + "/")
const Ajv = require("ajv").default ?? require("ajv")
const closed = JSON.parse(readFileSync(schemaPath, "utf8"))

function walk(node, visit) {
  if (Array.isArray(node)) node.forEach(n => walk(n, visit))
  else if (node && typeof node === "object") {
    visit(node)
    Object.values(node).forEach(n => walk(n, visit))
  }
}
// Since 2026-03-11 responses no longer carry the deprecated `archived`.
if (relaxArchived === "1")
  walk(closed, n => {
    if (Array.isArray(n.required)) n.required = n.required.filter(k => k !== "archived")
  })
const open = structuredClone(closed)
walk(open, n => {
  if (n.additionalProperties === false && n.properties) delete n.additionalProperties
})

function compilers(schema) {
  const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false })
  ajv.addSchema(schema, "s")
  const cache = new Map()
  return type => {
    if (!cache.has(type)) cache.set(type, ajv.compile({ $ref: `s#/definitions/${type}` }))
    return cache.get(type)
  }
}
const openFor = compilers(open)
const closedFor = compilers(closed)

// Unions produce one error per branch; the deepest one is nearly always the cause.
function explain(errors) {
  const depth = e => e.instancePath.split("/").length
  const useful = errors.filter(e => e.keyword !== "anyOf" && e.keyword !== "const")
  const sorted = (useful.length ? useful : errors).sort((a, b) => depth(b) - depth(a))
  const e = sorted[0]
  const more = e.params?.missingProperty ?? e.params?.additionalProperty ?? e.params?.allowedValue ?? ""
  return `${e.instancePath || "/"} ${e.message} ${JSON.stringify(more)}`
}

const counts = {}
const failures = []
const extras = {}
for await (const line of createInterface({ input: process.stdin })) {
  if (!line) continue
  const { type, label, value } = JSON.parse(line)
  const c = (counts[type] ??= { checked: 0, failed: 0, with_extra_keys: 0 })
  c.checked++
  const check = openFor(type)
  if (!check(value)) {
    c.failed++
    if (failures.length < 200) failures.push({ type, label, error: explain(check.errors) })
    continue
  }
  const strict = closedFor(type)
  if (!strict(value)) {
    c.with_extra_keys++
    for (const e of strict.errors)
      if (e.keyword === "additionalProperties") {
        const where = e.instancePath.replace(/\/properties\/[^/]+/g, "/properties/*").replace(/\/\d+/g, "/#")
        const key = `${type}${where}/${e.params.additionalProperty}`
        extras[key] = (extras[key] ?? 0) + 1
      }
  }
}
console.log(JSON.stringify({ counts, failures, extras }))
