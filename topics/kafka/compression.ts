import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

export type Compression = 'none' | 'gzip' | 'zstd';

/** The broker's numbers for codecs (Kafka protocol guide, record batch attributes). */
export const COMPRESSION_ID: Record<Compression, number> = { none: 0, gzip: 1, zstd: 4 };

export function compress(codec: Compression, bytes: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return bytes;
    case 'gzip':
      return gzipSync(bytes, { level: constants.Z_BEST_SPEED });
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
    case 'zstd':
      return zstdDecompressSync(bytes);
  }
}
