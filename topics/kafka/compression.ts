import { createRequire } from 'node:module';
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type * as Lz4 from 'lz4-napi';
import { packSnappy, unpackSnappy } from './snappy-blocks.ts';

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** The broker's numbers for codecs (Kafka protocol guide, record batch attributes). */
export const COMPRESSION_ID: Record<Compression, number> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 };

const require = createRequire(import.meta.url);

/** Loaded where it is used: native code brings memory of its own, and most processes have no use for it. */
function lz4(): typeof Lz4 {
  return require('lz4-napi') as typeof Lz4;
}

export function compress(codec: Compression, bytes: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return bytes;
    case 'gzip':
      return gzipSync(bytes, { level: constants.Z_BEST_SPEED });
    case 'snappy':
      return packSnappy(bytes);
    case 'lz4':
      // Independent blocks, as Java's reader wants them.
      return lz4().compressFrameSync(bytes);
    case 'zstd':
      return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  }
}

export function decompress(codec: Compression, bytes: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return bytes;
    case 'gzip':
      return gunzipSync(bytes);
    case 'snappy':
      return unpackSnappy(bytes);
    case 'lz4':
      return lz4().decompressFrameSync(bytes);
    case 'zstd':
      return zstdDecompressSync(bytes);
  }
}
