import { setTimeout as delay } from 'node:timers/promises';
import type { CommonSettings } from '../../shared/config/common-options.ts';
import type { SnapshotRequest } from '../../shared/connector/source.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { kafkaConfig } from '../../topics/kafka/connection.ts';
import { LogReader } from '../../topics/kafka/log-reader.ts';
import { readPositions } from '../../topics/positions.ts';

const POLL_MS = 500;
/** A source that runs takes a signal within seconds. */
const TAKEN_WITHIN_MS = 20_000;

/** What has become of a request: once it is taken, or, patient, once it is over; undefined where no process takes it. */
export async function untilAnswered(
  settings: CommonSettings,
  { source, id, isPatient }: { readonly source: string; readonly id: string; readonly isPatient: boolean },
): Promise<SnapshotRequest | undefined> {
  const reader = new LogReader(kafkaConfig(settings, 'dbmazz-cli', silentLogger()));
  await reader.connect();
  try {
    for (const deadline = performance.now() + TAKEN_WITHIN_MS; ; await delay(POLL_MS)) {
      const { committed } = await readPositions(reader, source);
      const found = committed?.snapshot?.requests?.find((request) => request.id === id);
      const isOpen = found?.state === 'waiting' || found?.state === 'running';
      if (found !== undefined && (!isPatient || !isOpen)) return found;
      if (found === undefined && performance.now() > deadline) return undefined;
    }
  } finally {
    await reader.close();
  }
}
