import { CdcError } from '../../shared/errors/cdc-error.ts';
import { Session } from './client.ts';
import type { PostgresSinkConfig } from './config.ts';
import { checkName, qualified, quoteName, quoteText } from './identifiers.ts';
import { versionIndexName } from './setup-statements.ts';
import { deletedTableOf, offsetsTableOf, tablesTableOf } from './statements.ts';

/** Names of three tables in the target's schema. */
export interface Swap {
  readonly live: string;
  /** What takes its place. */
  readonly side: string;
  /** What the live one is called then. */
  readonly before: string;
}

/** A table with what is remembered of it: its deletes, its truncates, and the index of its versions. */
function buildRename(schema: string, from: string, to: string): readonly string[] {
  const own = [deletedTableOf(schema), tablesTableOf(schema)];
  return [
    `ALTER TABLE ${qualified(schema, from)} RENAME TO ${quoteName(to)}`,
    `ALTER INDEX IF EXISTS ${qualified(schema, versionIndexName(from))} RENAME TO ${quoteName(versionIndexName(to))}`,
    ...own.map((table) => `DELETE FROM ${table} WHERE table_name = ${quoteText(to)}`),
    ...own.map((table) => `UPDATE ${table} SET table_name = ${quoteText(to)} WHERE table_name = ${quoteText(from)}`),
  ];
}

/** One table; `hasLive` is false where the side table is a new one. */
export function buildSwap(schema: string, { live, side, before }: Swap, hasLive: boolean): readonly string[] {
  return [...(hasLive ? buildRename(schema, live, before) : []), ...buildRename(schema, side, live)];
}

/**
 * Puts side tables in the place of the live ones, all in one transaction. Views, grants and foreign keys stay with the
 * tables that they were made for. `sideSink`: whose stored offsets are of no more use.
 */
export async function swapTables(config: PostgresSinkConfig, swaps: readonly Swap[], sideSink: string): Promise<void> {
  const { schema, user } = config;
  const doing = { what: `put the side tables of ${schema} in place`, grant: `The tables must belong to ${quoteName(user)} to be renamed.`, mayTakeLong: true };
  const session = await Session.open(config);
  try {
    await session.run(doing, ['BEGIN']);
    for (const swap of swaps) {
      checkName(swap.before, 'a table');
      const isThere = async (name: string) =>
        (await session.rows(doing, `SELECT to_regclass(${quoteText(qualified(schema, name))}) IS NOT NULL AS is_there`))[0]?.['is_there'] === true;
      if (await isThere(swap.before)) throw isInTheWay(schema, swap.before);
      await session.run(doing, buildSwap(schema, swap, await isThere(swap.live)));
    }
    await session.run(doing, [`DELETE FROM ${offsetsTableOf(schema)} WHERE sink = ${quoteText(sideSink)}`, 'COMMIT']);
  } finally {
    await session.end();
  }
}

function isInTheWay(schema: string, name: string): CdcError {
  return new CdcError('TARGET_REFUSED', `${schema}.${name} is there already, from an earlier swap.`, {
    remedy: `Drop it first: DROP TABLE ${qualified(schema, name)};`,
  });
}
