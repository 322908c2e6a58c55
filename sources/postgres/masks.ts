import { createHmac, hash } from 'node:crypto';
import type { MaskKind } from '../../shared/config/column-rules.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import { CELL, type CellCode } from './types.ts';

/** What stands for every value of a column that is redacted. */
export const REDACTED = '***';

/** What is done to a column's values before they leave this process; NULL stays NULL. */
export interface Mask {
  readonly kind: MaskKind;
  /** Of a value's text form, as PostgreSQL prints it; the same for stream and snapshot. */
  readonly digest: (text: Uint8Array) => string;
}

const CODES: Readonly<Record<MaskKind, CellCode>> = { redact: CELL.redacted, hash: CELL.digest, null: CELL.nothing };

export function maskOf(kind: MaskKind, secret: string | undefined): Mask {
  return { kind, digest: secret === undefined ? (text) => hash('sha256', text, 'hex') : (text) => createHmac('sha256', secret).update(text).digest('hex') };
}

/** A masked column travels as text, unless nothing of it is left: then a type is as good as another. */
export function maskedType({ kind }: Mask, type: DataType | undefined): DataType {
  return kind === 'null' && type !== undefined ? type : { kind: 'text' };
}

export function maskCodeOf({ kind }: Mask): CellCode {
  return CODES[kind];
}
