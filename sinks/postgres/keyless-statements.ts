import { META_COLUMNS } from '../../shared/connector/sink.ts';
import { STAGING_COLUMNS, type Binding, type BoundColumn } from './binding.ts';
import { quoteName, quoteText } from './identifiers.ts';
import { buildInsertSelect, deletedTableOf, notForgotten, stagingColumn, stagingName, targetOf, type Guard } from './statements.ts';

const { op, version } = STAGING_COLUMNS;
const VERSION = quoteName(META_COLUMNS.version);

export interface AppendOptions {
  readonly staging: string;
  readonly guard: Guard;
  /** Whether the staging table has removals: rows with op `d` or `x`. */
  readonly hasRemovals: boolean;
  readonly deleteMode: 'hard' | 'soft';
}

/**
 * Into the target of a table without a key. A row there is known by the version of the change that wrote it, which no
 * other change has.
 *
 * - A change is written once: a second time its version is there, or is remembered as removed.
 * - A delete, and an update for its old row, removes one row that is equal in every column and older. The n-th removal
 *   of equal rows takes the n-th oldest of them, which is older than the removal, for at that time at least n of them
 *   had been written. So rows are written first, then all removals done at once.
 * - Versions of changes whose rows were removed are remembered in `dbmazz_deleted` with the version of the removal, and
 *   versions of removals with their own, so that none is done again. An update may be both.
 */
export function buildAppend(binding: Binding, options: AppendOptions): readonly string[] {
  return [
    ...(options.hasRemovals ? [buildDropDone(binding, options)] : []),
    buildInsert(binding, options),
    ...(options.hasRemovals ? [buildRemove(binding, options)] : []),
  ];
}

/** Rows of one version only; rows from before our time have version 0. */
export const VERSION_INDEX_PREDICATE = `${VERSION} > 0`;

function buildInsert(binding: Binding, { staging, guard, hasRemovals }: AppendOptions): string {
  const conditions = [...(hasRemovals ? [`s.${op} NOT IN ('d', 'x')`] : []), ...notForgotten(binding, guard, `int8send(s.${version})`)];
  return `${buildInsertSelect(binding, staging, conditions)}
    ON CONFLICT (${VERSION}) WHERE ${VERSION_INDEX_PREDICATE} DO NOTHING`;
}

/** Removals that were done by an earlier batch, or whose rows were truncated away, leave the staging table. */
function buildDropDone(binding: Binding, { staging, guard }: AppendOptions): string {
  const { schema, name } = binding;
  return `DELETE FROM ${stagingName(staging)} s WHERE s.${op} IN ('d', 'x') AND (s.${version} < ${guard.truncatedBelow}
    OR EXISTS (SELECT FROM ${targetOf(binding)} t WHERE t.${VERSION} = s.${version} AND t.${VERSION_INDEX_PREDICATE})
    OR EXISTS (SELECT FROM ${deletedTableOf(schema)} d WHERE d.table_name = ${quoteText(name)} AND d.key = int8send(s.${version})))`;
}

function buildRemove(binding: Binding, { staging, deleteMode }: AppendOptions): string {
  const { schema, name } = binding;
  const nth = 'row_number() OVER (PARTITION BY image ORDER BY version) AS nth';
  const live = deleteMode === 'soft' ? ` AND NOT t.${quoteName(META_COLUMNS.isDeleted)}` : '';
  return `WITH removal AS (SELECT *, ${nth} FROM (
      SELECT s.${version} AS version, s.${op} AS op, ${imageOf(binding.columns.map(asStored))} AS image
      FROM ${stagingName(staging)} s WHERE s.${op} IN ('d', 'x')) s),
    candidate AS (SELECT *, ${nth} FROM (
      SELECT t.tableoid AS part, t.ctid AS place, t.${VERSION} AS version, ${imageOf(binding.columns.map((column) => `t.${quoteName(column.name)}`))} AS image
      FROM ${targetOf(binding)} t WHERE t.${VERSION} < (SELECT max(version) FROM removal)${live}) t
      WHERE image IN (SELECT image FROM removal)),
    pair AS (SELECT candidate.part, candidate.place, candidate.version AS written, removal.version, removal.op
      FROM removal JOIN candidate USING (image, nth) WHERE candidate.version < removal.version),
    ${deleteMode === 'hard' ? buildGone(binding) : buildMarked(binding)}
    INSERT INTO ${deletedTableOf(schema)} AS d (table_name, key, version)
    SELECT ${quoteText(name)}, int8send(change), max(version)
      FROM (SELECT written AS change, version FROM pair UNION ALL SELECT version, version FROM removal) done GROUP BY change
    ON CONFLICT (table_name, key) DO UPDATE SET version = greatest(d.version, excluded.version), remembered_at = now()`;
}

function buildGone(binding: Binding): string {
  return `gone AS (DELETE FROM ${targetOf(binding)} t USING pair WHERE t.tableoid = pair.part AND t.ctid = pair.place)`;
}

/** Deletes mark their row; the old row of an update goes, for its new one is there. */
function buildMarked(binding: Binding): string {
  const { opType, isDeleted, syncedAt } = META_COLUMNS;
  const marks = `${quoteName(opType)} = 'd', ${quoteName(isDeleted)} = true, ${quoteName(syncedAt)} = now(), ${VERSION} = pair.version`;
  return `marked AS (UPDATE ${targetOf(binding)} t SET ${marks} FROM pair WHERE pair.op = 'd' AND t.tableoid = pair.part AND t.ctid = pair.place),
    gone AS (DELETE FROM ${targetOf(binding)} t USING pair WHERE pair.op = 'x' AND t.tableoid = pair.part AND t.ctid = pair.place)`;
}

/** Equal exactly for rows whose values print the same; types without an equality of their own (json, xml, point) included. */
function imageOf(values: readonly string[]): string {
  return `sha256(convert_to(ROW(${values.join(', ')})::text, 'UTF8'))`;
}

/** The staged value as it prints once it is in its column. */
function asStored(column: BoundColumn): string {
  return `s.${stagingColumn(column)}::${column.targetSql}`;
}
