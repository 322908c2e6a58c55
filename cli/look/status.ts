import { CdcError } from '../../shared/errors/cdc-error.ts';
import { EXIT } from '../../shared/errors/codes.ts';
import { namedAddresses, readToken } from './addresses.ts';
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
  const statuses = await Promise.all(namedAddresses(addresses).map(async (address) => ({ address, found: await fetchStatuses(address, token) })));
  if (json === true) print(JSON.stringify(Object.fromEntries(statuses.map(({ address, found }) => [address, rawOf(found)])), null, 2));
  else for (const { address, found } of statuses) for (const status of found) print(describe(address, status));
  return EXIT.stopped;
}

/** One is shown as it is, several as a list. */
function rawOf(found: readonly ProcessStatus[]): unknown {
  return found.length === 1 ? found[0]?.raw : found.map(({ raw }) => raw);
}

function describe(address: string, status: ProcessStatus): string {
  const { kind, name, state, records, lagSeconds, lagRecords, lagBytes, position, lastError, slot, stopped, tables } = status;
  const lag = [
    lagSeconds === undefined ? '' : `${lagSeconds.toFixed(1)} s`,
    lagRecords === undefined ? '' : `${formatCount(lagRecords)} records`,
    lagBytes === undefined ? '' : `${formatCount(lagBytes)} bytes`,
  ].filter((part) => part !== '');
  const lines = [`${kind} ${name} (${address}): ${state}, ${formatCount(records)} records`];
  if (lag.length > 0) lines.push(`  behind: ${lag.join(', ')}`);
  if (position !== undefined) lines.push(`  position: ${position}`);
  if (slot !== undefined) lines.push(`  slot ${slot}`);
  for (const { table, reason, remedy, passedOver } of stopped) {
    lines.push(`  stopped: ${table}, ${formatCount(passedOver)} records passed over. ${reason}`, `    ${remedy}`);
  }
  for (const { topic, state: of, blockedBy, error } of tables) {
    if (of === 'running') continue;
    const place = blockedBy === undefined ? '' : ` at ${blockedBy}`;
    lines.push(`  ${topic}: ${of}${place}${error === undefined ? '' : `, ${error}`}`);
  }
  if (lastError !== undefined) lines.push(`  last error: ${lastError}`);
  return lines.join('\n');
}

async function showGroup(sink: string, isJson: boolean): Promise<number> {
  const groupId = `dbmazz.${sink}`;
  const [lags, members] = await withLogOverview(readLogSettings(), async (overview) => Promise.all([overview.lagOf(groupId, []), overview.membersOf(groupId)]));
  if (lags.length === 0)
    throw new CdcError('TABLE_NOT_FOUND', `The broker knows no offsets of group ${groupId}.`, {
      remedy: 'Check the name; a sink that has written nothing yet has no offsets.',
    });
  const sorted = lags.toSorted((a, b) => a.topic.localeCompare(b.topic));
  if (isJson) print(JSON.stringify(sorted, null, 2));
  else {
    print(`${describeMembers(members)} in group ${groupId}\n`);
    print(
      plainTable(
        ['topic', 'lag in offsets'],
        sorted.map(({ topic, lag }) => [topic, formatCount(lag)]),
        [1],
      ),
    );
  }
  return EXIT.stopped;
}

function describeMembers(members: number): string {
  if (members === 0) return 'no process';
  return members === 1 ? '1 process' : `${members} processes`;
}
