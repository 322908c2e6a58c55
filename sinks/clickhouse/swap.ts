import { CdcError } from '../../shared/errors/cdc-error.ts';
import { ClickHouseClient } from './client.ts';
import type { ClickHouseConfig, TargetNames } from './config.ts';
import { qualify } from './statements.ts';

export interface Swap {
  readonly live: TargetNames;
  /** What takes its place. */
  readonly side: TargetNames;
  /** What the live rows are called then; a plain table, to be queried with FINAL. */
  readonly before: string;
}

/** The views stay what they are: the table behind the live one is exchanged, at once. */
export function buildSwap({ live, side, before }: Swap): readonly string[] {
  const { database } = live;
  return [
    `EXCHANGE TABLES ${qualify(database, live.rows)} AND ${qualify(database, side.rows)}`,
    `DROP VIEW IF EXISTS ${qualify(database, side.view)}`,
    `RENAME TABLE ${qualify(database, side.rows)} TO ${qualify(database, before)}`,
  ];
}

/** A table that is new has no live one: it gets its view from the sink. */
function buildTakeOver({ live, side }: Swap): readonly string[] {
  return [
    `DROP VIEW IF EXISTS ${qualify(live.database, side.view)}`,
    `RENAME TABLE ${qualify(live.database, side.rows)} TO ${qualify(live.database, live.rows)}`,
  ];
}

/** Puts side tables in the place of the live ones, one after the other: the server has no transaction for it. */
export async function swapTables(config: ClickHouseConfig, swaps: readonly Swap[]): Promise<void> {
  const client = new ClickHouseClient(config);
  try {
    const sql = 'SELECT name FROM system.tables WHERE database = {database:String}';
    const found = await client.rows<{ name: string }>({ sql, action: 'listing the tables', parameters: { database: config.database } });
    const names = new Set(found.map(({ name }) => name));
    for (const swap of swaps) refuse(swap, names);
    for (const swap of swaps) {
      const statements = names.has(swap.live.rows) ? buildSwap(swap) : buildTakeOver(swap);
      for (const statement of statements) await client.run({ sql: statement, action: `putting ${swap.side.view} in the place of ${swap.live.view}` });
    }
  } finally {
    await client.close();
  }
}

function refuse({ live, before }: Swap, names: ReadonlySet<string>): void {
  if (names.has(before))
    throw new CdcError('TARGET_REFUSED', `${live.database}.${before} is there already, from an earlier swap.`, {
      remedy: `Drop it first: DROP TABLE ${qualify(live.database, before)};`,
    });
  if (names.has(live.view) && !names.has(live.rows))
    throw new CdcError('SCHEMA_INCOMPATIBLE', `${live.database}.${live.view} is no table of the sink's making: it has no ${live.rows} behind it.`, {
      remedy: 'Exchange it by hand, while the sink is stopped.',
    });
}
