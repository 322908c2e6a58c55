import pg from 'pg';
import type { Finding } from '../../shared/connector/finding.ts';
import type { CatalogTable } from './catalog.ts';
import type { PostgresSourceConfig } from './config.ts';
import { type PublicationState, sendsGenerated, type TablePlan } from './publication-plan.ts';
import { buildAddTables, buildCreatePublication, buildSetTable } from './publication-statements.ts';
import { quoteTable } from './statements.ts';

const GENERATED_VERSION = 180_000;

export interface PublicationCheck {
  readonly config: PostgresSourceConfig;
  readonly version: number;
  readonly user: { readonly name: string; readonly mayCreate: boolean; readonly isSuperuser: boolean };
  readonly publication: PublicationState | undefined;
  readonly plans: readonly TablePlan[];
}

/** What is wrong with the publication, and what is missing for making it right. */
export function publicationProblems(check: PublicationCheck): Finding[] {
  const { publication, plans, config } = check;
  const unfit = publication === undefined ? [] : unfitPublication(publication, plans, config);
  return [
    ...unfit,
    ...rightProblems(check),
    ...plans.flatMap((plan) => [...filterRightProblems(plan, check), ...leakProblems(plan, check), ...leftOutProblems(plan, check)]),
    ...plans.flatMap((plan) =>
      generatedProblems(plan.table, check).map((finding) => (isNew(plan, config) ? { ...finding, without: [nameOf(plan.table)] } : finding)),
    ),
  ];
}

/** Whether a table is not published yet, and asked for by a pattern alone: a source that goes on can do without it for now. */
export function isNew({ table, change }: TablePlan, { tablePatterns }: PostgresSourceConfig): boolean {
  return change === 'add' && !tablePatterns.includes(nameOf(table));
}

/**
 * The same of one that is published since it came into being, as one of all tables or of a schema; only the topics tell whether they
 * have it. Without a snapshot they do not.
 */
export function mayBeNew({ table, change }: TablePlan, { tablePatterns, settings }: PostgresSourceConfig, publication: PublicationState | undefined): boolean {
  const isPartOfAll = change === 'none' && publication?.shapes.has(nameOf(table)) === false;
  return isPartOfAll && settings.SNAPSHOT_MODE !== 'never' && !tablePatterns.includes(nameOf(table));
}

function rightProblems({ publication, plans, config, version, user }: PublicationCheck): Finding[] {
  const added = plans.filter(({ change }) => change === 'add');
  if (added.length === 0) return [];
  const lacksRight = publication === undefined ? !user.mayCreate : !publication.is_owner;
  if (user.isSuperuser || (!lacksRight && added.every(({ table }) => table.isOwner))) return [];
  const tables = added.map(({ table, shape }) => ({ ref: table.ref, shape }));
  const hasGenerated = sendsGenerated(version, undefined);
  const statement =
    publication === undefined ? buildCreatePublication({ name: config.publication, tables, hasGenerated }) : buildAddTables(config.publication, tables);
  return [
    {
      severity: 'error',
      code: 'SETUP_GRANT_MISSING',
      message: `User ${user.name} of SOURCE_URL may not ${publication === undefined ? 'create' : 'change'} publication ${config.publication} (it needs ${publication === undefined ? 'CREATE on the database' : 'to own the publication'} and to own the tables).`,
      remedy: `Let an administrator run: ${statement};`,
      ...(publication !== undefined && added.every((plan) => isNew(plan, config)) ? { without: added.map(({ table }) => nameOf(table)) } : {}),
    },
  ];
}

/** Rows that must not leave the database would. */
function filterRightProblems({ table, change, shape, wanted }: TablePlan, check: PublicationCheck): Finding[] {
  if (change !== 'none' || wanted.filter === null || shape.filter !== null) return [];
  return [
    {
      severity: 'error',
      code: 'SETUP_PUBLICATION',
      message: `Publication ${check.config.publication} has no row filter for ${nameOf(table)}, which ROW_FILTER asks for; it is not ours to change, or user ${check.user.name} of SOURCE_URL may not.`,
      remedy: setRemedy(table, wanted, check),
    },
  ];
}

function leakProblems({ table, change, leaks, wanted }: TablePlan, check: PublicationCheck): Finding[] {
  if (change !== 'none' || leaks.length === 0 || wanted.columns === null) return [];
  return [
    {
      severity: 'warning',
      code: 'SETUP_PUBLICATION',
      message: `Publication ${check.config.publication} sends ${leaks.join(', ')} of ${nameOf(table)} to this process, which drops it as EXCLUDE_COLUMNS says.`,
      remedy: `For it to stay in the database: ${setRemedy(table, wanted, check)}`,
    },
  ];
}

function leftOutProblems({ table, leftOut }: TablePlan, { config }: PublicationCheck): Finding[] {
  if (leftOut.length === 0) return [];
  return [
    {
      severity: 'warning',
      code: 'SETUP_PUBLICATION',
      message: `Publication ${config.publication} leaves out ${leftOut.join(', ')} of ${nameOf(table)}: neither the stream nor the snapshot has it.`,
      remedy: 'Have it added to the list of columns of the publication if it is wanted; then start anew, and the table under a new SOURCE_NAME.',
    },
  ];
}

function setRemedy({ ref }: CatalogTable, wanted: TablePlan['wanted'], { config, publication }: PublicationCheck): string {
  if (publication?.shapes.has(`${ref.schema}.${ref.name}`) !== true)
    return 'Set SOURCE_PUBLICATION_NAME to one that names its tables: one for all tables, or for a schema, has neither lists of columns nor row filters.';
  return `Let an administrator run: BEGIN; ${buildSetTable(config.publication, { ref, shape: wanted }).join('; ')}; COMMIT;`;
}

/** PostgreSQL 18 refuses updates and deletes of a table whose whole rows are its identity, while a part of them is not published. */
function generatedProblems({ ref, replicaIdentity, columns }: CatalogTable, { config, version, publication }: PublicationCheck): Finding[] {
  if (version < GENERATED_VERSION || replicaIdentity !== 'f') return [];
  const generated = columns.filter(({ isGenerated }) => isGenerated);
  const virtual = generated.filter(({ isStored }) => !isStored).map(({ name }) => name);
  const isUnsent = generated.length > virtual.length && !sendsGenerated(version, publication);
  if (virtual.length === 0 && !isUnsent) return [];
  const what = virtual.length > 0 ? `virtual generated columns (${virtual.join(', ')})` : 'generated columns that the publication leaves out';
  return [
    {
      severity: 'error',
      code: 'REPLICA_IDENTITY',
      message: `Table ${ref.schema}.${ref.name} has REPLICA IDENTITY FULL and ${what}: once it is published, PostgreSQL refuses its updates and deletes.`,
      remedy:
        virtual.length > 0
          ? `ALTER TABLE ${quoteTable(ref)} REPLICA IDENTITY DEFAULT;`
          : `ALTER PUBLICATION ${pg.escapeIdentifier(config.publication)} SET (publish_generated_columns = stored);`,
    },
  ];
}

/** What is wrong with a publication that is there: made by hand, or by another version. */
function unfitPublication(publication: PublicationState, plans: readonly TablePlan[], { publication: name, settings }: PostgresSourceConfig): Finding[] {
  const findings: Finding[] = [];
  const set = `ALTER PUBLICATION ${pg.escapeIdentifier(name)} SET`;
  if (!publication.has_changes) {
    findings.push({
      severity: 'error',
      code: 'SETUP_PUBLICATION',
      message: `Publication ${name} does not publish inserts, updates and deletes.`,
      remedy: `${set} (publish = 'insert, update, delete, truncate');`,
    });
  }
  if (publication.has_changes && !publication.has_truncates && settings.PUBLISH_TRUNCATE) {
    findings.push({
      severity: 'warning',
      code: 'SETUP_PUBLICATION',
      message: `Publication ${name} does not publish TRUNCATE: rows that it removes stay in the targets.`,
      remedy: `${set} (publish = 'insert, update, delete, truncate');`,
    });
  }
  const partitioned = publication.via_root ? undefined : plans.find(({ table }) => table.isPartitioned);
  if (partitioned !== undefined) {
    findings.push({
      severity: 'error',
      code: 'SETUP_PUBLICATION',
      message: `Publication ${name} publishes the partitions of ${nameOf(partitioned.table)} under their own names.`,
      remedy: `${set} (publish_via_partition_root = true);`,
    });
  }
  return findings;
}

function nameOf({ ref }: CatalogTable): string {
  return `${ref.schema}.${ref.name}`;
}
