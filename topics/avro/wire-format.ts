import { CdcError } from '../../shared/errors/cdc-error.ts';

/** Confluent's wire format: a zero byte, the schema id in four bytes, big-endian, then the Avro bytes. */
export const WIRE_HEADER_BYTES = 5;

export function frame(schemaId: number, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(WIRE_HEADER_BYTES + body.length);
  bytes[0] = 0;
  bytes.writeInt32BE(schemaId, 1);
  body.copy(bytes, WIRE_HEADER_BYTES);
  return bytes;
}

/** The schema id of a record that starts at `start`. Throws `PARSE_FAILED`. */
export function schemaIdOf(bytes: Buffer, topic: string, start = 0): number {
  if (bytes.length < start + WIRE_HEADER_BYTES || bytes[start] !== 0) {
    throw new CdcError('PARSE_FAILED', `A record of ${topic} is not in Confluent's wire format.`, { context: { topic } });
  }
  return bytes.readInt32BE(start + 1);
}
