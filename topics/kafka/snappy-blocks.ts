import { createRequire } from 'node:module';
import type * as Snappy from 'snappy';

/** What Java's SnappyOutputStream begins with: its magic, its version, and the oldest version that reads it. */
const HEADER = Buffer.from('82534e41505059000000000100000001', 'hex');
const BLOCK_BYTES = 64 * 1024;

const require = createRequire(import.meta.url);

/** Loaded where it is used: native code brings memory of its own, and most processes have no use for it. */
function snappy(): typeof Snappy {
  return require('snappy') as typeof Snappy;
}

/**
 * Snappy as Java clients write it: a header, then blocks that each say their length. Others (librdkafka) write one bare
 * block; who reads Kafka reads both.
 */
export function packSnappy(bytes: Buffer): Buffer {
  const parts: Buffer[] = [HEADER];
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const block = snappy().compressSync(bytes.subarray(start, start + BLOCK_BYTES));
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

export function unpackSnappy(bytes: Buffer): Buffer {
  if (!HEADER.subarray(0, 8).equals(bytes.subarray(0, 8))) return uncompress(bytes);
  const blocks: Buffer[] = [];
  for (let at = HEADER.length; at < bytes.length;) {
    const start = at + 4;
    at = start + bytes.readInt32BE(at);
    blocks.push(uncompress(bytes.subarray(start, at)));
  }
  return blocks.length === 1 && blocks[0] !== undefined ? blocks[0] : Buffer.concat(blocks);
}

function uncompress(block: Buffer): Buffer {
  return snappy().uncompressSync(block, { asBuffer: true }) as Buffer;
}
