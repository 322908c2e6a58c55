import { CdcError } from '../../shared/errors/cdc-error.ts';
import { EXIT } from '../../shared/errors/codes.ts';
import { askProcess, fetchStatus } from '../process-status.ts';
import { isTopicOf } from '../replay/replay-from.ts';
import { print } from '../terminal.ts';
import { namedAddresses, readToken } from './addresses.ts';

/** A table stops in the processes that have its partitions, and only they can let it go on: the broker knows them by no address. */
const WHICH =
  'Which processes? Give the address of each process of the sink, by its HTTP_HOST and HTTP_PORT (<address>/sinks/<name> where several run in one process): ' +
  'the broker knows the members of its group, but not where they listen, so its name is not enough.';

/** Tells the processes of a sink what to do with a table that has stopped; fails where none of them had to do anything. */
export async function tellTable(what: 'resume' | 'skip', addresses: readonly string[], table: string): Promise<number> {
  const token = readToken();
  let done = 0;
  for (const address of namedAddresses(addresses, WHICH)) {
    const topic = topicOf((await fetchStatus(address, token)).tables, table);
    const problem =
      topic === undefined ? `this process has no partition of ${table}` : await post(`${address}/tables/${encodeURIComponent(topic)}/${what}`, token);
    print(`${address}: ${problem ?? `${topic} goes on`}`);
    if (problem === undefined) done++;
  }
  if (done > 0) return EXIT.stopped;
  throw new CdcError('TABLE_NOT_FOUND', `No process had ${table} to ${what}.`, {
    remedy: 'dbmazz status <address> shows which tables have stopped, and where.',
  });
}

function topicOf(tables: readonly { readonly topic: string }[], table: string): string | undefined {
  return tables.find(({ topic }) => isTopicOf(topic, table))?.topic;
}

async function post(path: string, token: string | undefined): Promise<string | undefined> {
  const response = await askProcess(path, token, 'POST');
  if (response.ok) return undefined;
  const { error } = (await response.json().catch(() => ({}))) as { error?: unknown };
  return typeof error === 'string' ? error : `it answered ${response.status}`;
}
