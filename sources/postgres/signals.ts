import { createHash } from 'node:crypto';
import type { Client } from 'pg';
import type { Signal } from '../../shared/connector/source.ts';
import type { Verdict } from '../snapshot/requests.ts';
import { type CatalogTable, type SchemaRules, topicKeyOf } from './catalog.ts';
import { matchesPattern } from './config.ts';
import { qualified } from './snapshot-plan.ts';
import { buildCheckCondition } from './statements.ts';

/** SQLSTATE classes of a server or a connection in trouble: not of the statement (PostgreSQL manual, appendix A). */
const TROUBLE = new Set(['08', '53', '57', '58', 'XX']);

/** They are stored with the source's position until the request is over. */
const MOST_KEYS = 1000;

interface KnownTables {
  /** Without those that have stopped. */
  readonly tables: () => readonly CatalogTable[];
  readonly rules: SchemaRules;
  readonly stoppedTables: () => readonly CatalogTable[];
}

/** Whether a signal can be done, and for which tables. Throws only what has nothing to do with it. */
export async function judgeSignal(client: Client, signal: Signal, known: KnownTables): Promise<Verdict> {
  if (signal.type === 'pause' || signal.type === 'resume' || signal.type === 'stop') return { tables: [] };
  if (signal.type !== 'snapshot') return { refused: `there is no signal of type ${JSON.stringify(signal.type)}: it is snapshot, pause, resume or stop` };
  if (signal.tables.length === 0) return { refused: 'it names no table' };
  if (signal.keys.length > 0 && signal.where !== null) return { refused: 'it has both keys and a condition' };
  const isNamed = ({ ref }: CatalogTable) => signal.tables.some((pattern) => isMatch(pattern, ref));
  const isWhole = signal.where === null && signal.keys.length === 0;
  const [wanted, stopped] = [known.tables().filter(isNamed), known.stoppedTables().filter(isNamed)];
  const [first] = stopped;
  if (first !== undefined && !isWhole && wanted.length === 0)
    return { refused: `${qualified(first.ref)} has stopped: it is read anew as a whole, or not at all` };
  const unknown = signal.tables.find((pattern) => ![...wanted, ...stopped].some(({ ref }) => isMatch(pattern, ref)));
  if (unknown !== undefined) return { refused: `the source has no table ${unknown}` };
  const keyless = wanted.find((table) => topicKeyOf(table, known.rules).length === 0);
  if (keyless !== undefined) return { refused: `${qualified(keyless.ref)} has no key, so it cannot be read beside the stream` };
  const problem = keysProblem(wanted, signal.keys, known.rules);
  if (problem !== undefined) return { refused: problem };
  const anew = isWhole ? stopped.map(({ ref }) => qualified(ref)) : [];
  const tables = [...wanted.map(({ ref }) => qualified(ref)), ...anew];
  return (await conditionProblem(client, wanted, signal.where)) ?? { tables, ...(anew.length === 0 ? {} : { anew }) };
}

function keysProblem(tables: readonly CatalogTable[], keys: Signal['keys'], rules: SchemaRules): string | undefined {
  if (keys.length === 0) return undefined;
  const [table] = tables;
  if (table === undefined || tables.length > 1) return 'keys are of one table';
  if (keys.length > MOST_KEYS) return `it has ${keys.length} keys, of which there may be ${MOST_KEYS}`;
  const names = topicKeyOf(table, rules).toSorted();
  const isWhole = keys.every((key) => Object.keys(key).toSorted().join() === names.join());
  return isWhole ? undefined : `the key of ${qualified(table.ref)} is ${topicKeyOf(table, rules).join(', ')}`;
}

function isMatch(pattern: string, table: CatalogTable['ref']): boolean {
  return pattern.split('.').length === 2 && matchesPattern(pattern, table);
}

async function conditionProblem(client: Client, tables: readonly CatalogTable[], where: string | null): Promise<Verdict | undefined> {
  if (where === null) return undefined;
  for (const table of tables) {
    const text = buildCheckCondition(table, where);
    try {
      await client.query({ name: createHash('sha256').update(text).digest('hex').slice(0, 40), text });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return { refused: `its condition is none for ${qualified(table.ref)} (SQLSTATE ${error.code})` };
    }
  }
  return undefined;
}

/** Whether the server has refused a statement for what it says. */
export function isRefusal(error: unknown): error is { readonly code: string } {
  const { code, severity } = error as { readonly code?: unknown; readonly severity?: unknown };
  return severity === 'ERROR' && typeof code === 'string' && !TROUBLE.has(code.slice(0, 2));
}
