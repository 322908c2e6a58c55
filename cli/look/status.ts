import { COMMON_OPTIONS } from '../../shared/config/common-options.ts';
import { readOptions, throwIfProblems } from '../../shared/config/options.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { EXIT } from '../../shared/errors/codes.ts';
import { readLogSettings, withLogOverview } from './log-settings.ts';
import { fetchStatuses, type ProcessStatus } from '../process-status.ts';
import { formatCount, plainTable, print } from '../terminal.ts';

export interface StatusOptions {
  readonly sink?: string;
  readonly json?: boolean;
}

/** Prints how far processes, or a sink's group, are; gives the exit code. */
export async function showStatus(addresses: readonly string[], { sink, json }: StatusOptions): Promise<number> {
  if (sink !== undefined) return showGroup(sink, json === true);
  const token = readToken();
  const statuses = await Promise.all(named(addresses).map(async (address) => ({ address, found: await fetchStatuses(address, token) })));
  if (json === true) print(JSON.stringify(Object.fromEntries(statuses.map(({ address, found }) => [address, rawOf(found)])), null, 2));
  else for (const { address, found } of statuses) for (const status of found) print(describe(address, status));
  return EXIT.stopped;
}

/** One is shown as it is, several as a list. */
function rawOf(found: readonly ProcessStatus[]): unknown {
  return found.length === 1 ? found[0]?.raw : found.map(({ raw }) => raw);
}

function readToken(): string | undefined {
  const { settings, problems } = readOptions({ HTTP_TOKEN: COMMON_OPTIONS.HTTP_TOKEN }, process.env);
  throwIfProblems(problems);
  return settings.HTTP_TOKEN?.reveal();
}

function named(addresses: readonly string[]): readonly string[] {
  if (addresses.length > 0) return addresses;
  const port = process.env['HTTP_PORT'] ?? '';
  if (port !== '' && port !== '0') return [`${process.env['HTTP_HOST'] ?? '127.0.0.1'}:${port}`];
  throw new CdcError('CONFIG_INVALID', 'Whose status? Give the address of a process that has HTTP_PORT set, or --sink <name>.');
}

function describe(address: string, { kind, name, state, records, lagSeconds, lagRecords, lagBytes, position, lastError, stopped }: ProcessStatus): string {
  const lag = [
    lagSeconds === undefined ? '' : `${lagSeconds.toFixed(1)} s`,
    lagRecords === undefined ? '' : `${formatCount(lagRecords)} records`,
    lagBytes === undefined ? '' : `${formatCount(lagBytes)} bytes`,
  ].filter((part) => part !== '');
  const lines = [`${kind} ${name} (${address}): ${state}, ${formatCount(records)} records`];
  if (lag.length > 0) lines.push(`  behind: ${lag.join(', ')}`);
  if (position !== undefined) lines.push(`  position: ${position}`);
  for (const { table, reason, remedy, passedOver } of stopped) {
    lines.push(`  stopped: ${table}, ${formatCount(passedOver)} records passed over. ${reason}`, `    ${remedy}`);
  }
  if (lastError !== undefined) lines.push(`  last error: ${lastError}`);
  return lines.join('\n');
}

async function showGroup(sink: string, isJson: boolean): Promise<number> {
  const groupId = `dbmazz.${sink}`;
  const lags = await withLogOverview(readLogSettings(), async (overview) => overview.lagOf(groupId, []));
  if (lags.length === 0)
    throw new CdcError('TABLE_NOT_FOUND', `The broker knows no offsets of group ${groupId}.`, {
      remedy: 'Check the name; a sink that has written nothing yet has no offsets.',
    });
  const sorted = lags.toSorted((a, b) => a.topic.localeCompare(b.topic));
  if (isJson) print(JSON.stringify(sorted, null, 2));
  else
    print(
      plainTable(
        ['topic', 'lag in offsets'],
        sorted.map(({ topic, lag }) => [topic, formatCount(lag)]),
        [1],
      ),
    );
  return EXIT.stopped;
}
