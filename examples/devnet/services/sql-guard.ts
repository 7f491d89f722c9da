/**
 * Says whether a stranger's SQL may run: one SELECT over the named tables with functions from a
 * list. Used by the query providers, on top of the engine's own sandbox, because the engine bounds
 * neither the memory of strings nor the time inside one vector (measured: `repeat('x', 2e9)` took
 * 4 GB and 25 s under a limit of 256 MB). I8.
 *
 * It judges the syntax tree that DuckDB's own parser gives (`json_serialize_sql`), so there is no
 * second idea of what the text means.
 */
import { AigenError } from '../../../schemas/error.ts'

/** Values can be joined this often in one query, into a string, list or struct: each join can double their size. */
const JOINS_MAX = 4
const JOINING = new Set(['||', 'concat', 'concat_ws', 'list_value', 'struct_pack', 'row'])

const words = (text: string): string[] => text.trim().split(/\s+/)

/** Functions whose result is no larger than what goes in, or a single value. */
const FUNCTIONS = new Set([
  ...words('+ - * / // % ** ^ & | ~ << >> ! ~~ !~~ ~~* !~~* ~~~ @ ^@ || concat concat_ws'),
  ...words('count count_star count_if sum avg min max mean median mode quantile_cont quantile_disc approx_quantile stddev stddev_samp stddev_pop'),
  ...words('variance var_samp var_pop corr covar_samp covar_pop regr_slope regr_intercept regr_r2 skewness kurtosis entropy'),
  ...words('first last any_value arg_min arg_max min_by max_by bool_and bool_or approx_count_distinct product'),
  ...words('row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value'),
  ...words('abs ceil ceiling floor round trunc sqrt cbrt exp ln log log2 log10 pow power sign mod greatest least pi radians degrees'),
  ...words('sin cos tan asin acos atan atan2 isnan isfinite isinf coalesce nullif ifnull if'),
  ...words('lower upper length strlen trim ltrim rtrim left right substr substring strpos instr position contains starts_with prefix suffix'),
  ...words('ends_with split_part reverse ascii like_escape not_like_escape ilike_escape not_ilike_escape regexp_matches regexp_extract'),
  ...words('md5 hash typeof'),
  ...words('date_part datepart date_trunc datetrunc date_diff datediff date_add date_sub extract year quarter month week day dayofweek isodow'),
  ...words('dayofyear hour minute second epoch epoch_ms make_date make_timestamp strftime strptime try_strptime dayname monthname last_day'),
  ...words('to_days to_hours to_minutes to_seconds to_months to_years age time_bucket'),
  ...words('list_value array_extract list_extract array_length len list_contains array_contains list_position struct_extract struct_pack row'),
  ...words('list_sort list_reverse_sort list_distinct list_sum list_avg list_min list_max list_slice array_slice unnest grouping error'),
])

const FROM = new Set(['BASE_TABLE', 'JOIN', 'SUBQUERY', 'EMPTY', 'EXPRESSION_LIST', 'COLUMN_DATA'])
const NODES = new Set(['SELECT_NODE', 'SET_OPERATION_NODE', 'CTE_NODE'])
const VISITS_MAX = 50_000

interface Found { joins: number; visits: number; ctes: Set<string>; tables: Set<string> }

/**
 * Throws `step.input` with what is not allowed; passes otherwise.
 *
 * @param serialized what `json_serialize_sql(sql)` gave
 * @param tables names that may be read
 */
export function guardSql(serialized: string, tables: ReadonlySet<string>): void {
  const tree = JSON.parse(serialized) as { error: boolean; error_message?: string; statements?: unknown[] }
  if (tree.error) throw refused(tree.error_message ?? 'It is not a SELECT.')
  if (tree.statements?.length !== 1) throw refused('Give exactly one SELECT.')
  const found: Found = { joins: 0, visits: 0, ctes: new Set(), tables: new Set() }
  visit(tree.statements, found)
  for (const table of found.tables) {
    if (!tables.has(table) && !found.ctes.has(table)) throw refused(`There is no table ${table}; there are ${[...tables].join(', ')}.`)
  }
  if (found.joins > JOINS_MAX) throw refused(`Values are joined into larger ones ${found.joins} times, ${JOINS_MAX} are allowed.`)
}

function visit(value: unknown, found: Found): void {
  found.visits += 1
  if (found.visits > VISITS_MAX) throw refused('It is too complex.')
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const item of value) visit(item, found)
    return
  }
  const node = value as Record<string, unknown>
  if (typeof node['function_name'] === 'string') judgeFunction(node, found)
  if (node['class'] === undefined && typeof node['type'] === 'string') judgePart(node['type'], node, found)
  const map = (node['cte_map'] as { map?: { key?: unknown }[] } | undefined)?.map
  for (const entry of map ?? []) found.ctes.add(String(entry.key).toLowerCase())
  for (const child of Object.values(node)) visit(child, found)
}

function judgeFunction(node: Record<string, unknown>, found: Found): void {
  const name = String(node['function_name']).toLowerCase()
  if (!FUNCTIONS.has(name) || (node['schema'] && node['schema'] !== 'main') || node['catalog']) throw refused(`The function ${name} is not offered.`)
  if (!JOINING.has(name)) return
  const growing = ((node['children'] ?? []) as { class?: string }[]).filter((child) => child.class !== 'CONSTANT')
  found.joins += growing.length
}

/** Parts of a SELECT that have no expression class: nodes and what stands behind FROM. */
function judgePart(type: string, node: Record<string, unknown>, found: Found): void {
  if (type.endsWith('_NODE') && !NODES.has(type)) throw refused(`${type} is not offered.`)
  if (!('sample' in node) || !('query_location' in node)) return
  if (!FROM.has(type)) throw refused(`${type} is not offered behind FROM.`)
  if (type !== 'BASE_TABLE') return
  if (node['schema_name'] || node['catalog_name']) throw refused('Name tables without a schema.')
  found.tables.add(String(node['table_name']).toLowerCase())
}

function refused(why: string): AigenError {
  return new AigenError('step.input', why.slice(0, 500), { path: 'sql' })
}
