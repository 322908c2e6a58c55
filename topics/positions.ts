import { CdcError } from '../shared/errors/cdc-error.ts';
import type { Checkpoint, SnapshotProgress } from '../shared/connector/source.ts';
import type { StoppedTables } from '../shared/connector/stopped-table.ts';
import { formatPosition, parsePosition, type SourcePosition } from '../shared/record/position.ts';
import { controlSchemas, plainCodec, type PositionValue } from './avro/control-schemas.ts';
import { WIRE_HEADER_BYTES } from './avro/wire-format.ts';
import type { LogReader } from './kafka/log-reader.ts';
import { controlTopic } from './names.ts';

/** What the positions topic says of a source. */
export interface StoredPosition extends Checkpoint {
  readonly stopped: StoppedTables;
  readonly rowVersion: number;
  readonly instance: string;
}

/**
 * Reads where a source stands. Call it after the producer's `init`, when no transaction of an earlier process is open.
 *
 * `committed` is the last position of a committed transaction: where to go on. `attempted` also looks at transactions
 * that were aborted or are in doubt: its row_version may have been seen by readers that do not filter, so new ones
 * start above it, and its instance tells who took the topics over last.
 */
export async function readPositions(
  reader: Pick<LogReader, 'readLast'>,
  sourceName: string,
): Promise<{ committed: StoredPosition | undefined; attempted: StoredPosition | undefined }> {
  const topic = controlTopic(sourceName, 'positions');
  const committed = await reader.readLast(topic, 0, 'committed');
  const attempted = await reader.readLast(topic, 0, 'uncommitted');
  return { committed: parseStored(topic, committed?.value), attempted: parseStored(topic, attempted?.value) };
}

function parseStored(topic: string, bytes: Buffer | null | undefined): StoredPosition | undefined {
  if (bytes == null) return undefined;
  try {
    const value = decodeValue(topic, bytes.subarray(WIRE_HEADER_BYTES));
    return {
      position: value.position === null ? null : requirePosition(value.position),
      snapshot: value.snapshot === null ? null : (JSON.parse(value.snapshot) as SnapshotProgress),
      rowVersion: value.row_version,
      instance: value.instance,
      stopped: value.stopped === null ? {} : (JSON.parse(value.stopped) as StoppedTables),
      log: value.log ?? undefined,
    };
  } catch (error) {
    throw new CdcError('POSITION_INVALID', `The last record of ${topic} is no position of ours.`, { cause: error, context: { topic } });
  }
}

/** Fields that came later. */
const LATER_FIELDS = 2;

/** Positions of an earlier version end before the last fields: as if these were null there. */
function decodeValue(topic: string, bytes: Buffer): PositionValue {
  const codec = plainCodec<PositionValue>(controlSchemas(topic, 'positions').value);
  for (let missing = 0; missing < LATER_FIELDS; missing++) {
    try {
      return codec.decode(Buffer.concat([bytes, Buffer.alloc(missing)]));
    } catch {
      // One field more may be missing.
    }
  }
  return codec.decode(Buffer.concat([bytes, Buffer.alloc(LATER_FIELDS)]));
}

function requirePosition(text: string): SourcePosition {
  const position = parsePosition(text);
  if (position === undefined) throw new TypeError(`not a position: ${text}`);
  return position;
}

/** Of thousands of tables it is long, and it stands in each Kafka transaction: written down once for each progress. */
const texts = new WeakMap<SnapshotProgress, string>();

function textOf(snapshot: SnapshotProgress): string {
  let text = texts.get(snapshot);
  if (text === undefined) {
    text = JSON.stringify(snapshot);
    texts.set(snapshot, text);
  }
  return text;
}

export function toPositionValue(stored: StoredPosition, nowMs: number): PositionValue {
  return {
    position: stored.position === null ? null : formatPosition(stored.position),
    row_version: stored.rowVersion,
    instance: stored.instance,
    snapshot: stored.snapshot === null ? null : textOf(stored.snapshot),
    ts_ms: nowMs,
    stopped: Object.keys(stored.stopped).length === 0 ? null : JSON.stringify(stored.stopped),
    log: stored.log ?? null,
  };
}
