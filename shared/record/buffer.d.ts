/** Node has these on every Buffer; they skip the argument checks of `toString`, which shows in decoding. */
interface Buffer {
  latin1Slice(start?: number, end?: number): string;
  utf8Slice(start?: number, end?: number): string;
}
