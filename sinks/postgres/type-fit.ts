import type { ColumnDef } from '../../shared/record/table-schema.ts';
import { parseDeclaration, targetSqlOf, type NativeType } from './types.ts';

/** A column of a table in the target, as the server describes it. */
export interface TargetColumn {
  readonly name: string;
  /** As format_type prints it, for instance `character varying(40)`. */
  readonly type: string;
  /** The same without length or digits. */
  readonly baseType: string;
  /** `pg_type.typcategory`: S for text of all kinds, N numbers, B booleans, D dates and times, A arrays. */
  readonly category: string;
  readonly isGenerated: boolean;
  readonly isIdentityAlways: boolean;
}

/**
 * Whether a source's column can be written to an existing column.
 *
 * | verdict | |
 * |---|---|
 * | fits | every value can be written, and none changes |
 * | checked | the server refuses what does not fit; nothing is changed silently |
 * | widen | not every value fits; the column can be given the type `to`. `isSilent`: without that, values would change |
 * | no | neither |
 */
export type Fit = { readonly verdict: 'fits' | 'checked' | 'no' } | { readonly verdict: 'widen'; readonly to: string; readonly isSilent: boolean };

const FITS: Fit = { verdict: 'fits' };
const CHECKED: Fit = { verdict: 'checked' };
const NO: Fit = { verdict: 'no' };

/** Decimal digits that an integer may have. */
const DIGITS: Readonly<Record<string, number>> = { smallint: 5, integer: 10, bigint: 19 };
const TEMPORAL = /^(date|time|timestamp)\b/;
const TIMESTAMP = /^timestamp /;
/** What a column of text may hold besides text: its text says the same. */
const ONE_FORM = /^(uuid|jsonb?)$/;

export function fitOf(column: ColumnDef, target: TargetColumn): Fit {
  const wantedSql = targetSqlOf(column);
  if (wantedSql === target.type) return FITS;
  const wanted = parseDeclaration(wantedSql);
  if (wanted === undefined) return CHECKED;
  if (target.category === 'S') return isTextual(column) || ONE_FORM.test(wanted.name) ? fitOfText(wanted, target, wantedSql) : NO;
  if (isTextual(column)) return fitOfParsed(target, wantedSql);
  const existing = parseDeclaration(target.type);
  return existing?.isArray === wanted.isArray ? fitOfValues(wanted, existing, wantedSql) : NO;
}

function fitOfValues(wanted: NativeType, existing: NativeType, wantedSql: string): Fit {
  if (isNumber(wanted)) return fitOfNumber(wanted, existing, wantedSql);
  if (TEMPORAL.test(wanted.name)) return fitOfTime(wanted, existing, wantedSql);
  const isJson = wanted.name.startsWith('json') && existing.name.startsWith('json');
  return isJson || wanted.name === existing.name ? FITS : NO;
}

/** Into text of any length everything fits; into a limited one what is not longer. */
function fitOfText(wanted: NativeType, target: TargetColumn, wantedSql: string): Fit {
  const limit = parseDeclaration(target.type);
  if (limit === undefined || limit.modifier === '') return FITS;
  if (wanted.name === limit.name && lengthOf(wanted) <= lengthOf(limit)) return FITS;
  const isWider = wanted.name === limit.name || (wanted.name === 'text' && limit.name === 'character varying');
  return isWider ? { verdict: 'widen', to: wantedSql, isSilent: false } : CHECKED;
}

function lengthOf(type: NativeType): number {
  return type.modifier === '' ? Infinity : Number(type.modifier);
}

/**
 * What travels as text, into a column of another type: the server reads the text, or refuses it. A number, date or
 * boolean that has become text in the source becomes text in the target too.
 */
function fitOfParsed(target: TargetColumn, wantedSql: string): Fit {
  const isPlainText = wantedSql === 'text' || wantedSql.startsWith('character');
  if (isPlainText && 'NBD'.includes(target.category)) return { verdict: 'widen', to: wantedSql, isSilent: false };
  return CHECKED;
}

function fitOfNumber(wanted: NativeType, existing: NativeType, wantedSql: string): Fit {
  if (!isNumber(existing)) return NO;
  if (isFloat(wanted)) return fitOfFloat(wanted, existing, wantedSql);
  if (isFloat(existing)) return NO;
  const need = sizeOf(wanted);
  const has = sizeOf(existing);
  if (has.whole >= need.whole && has.scale >= need.scale) return FITS;
  return { verdict: 'widen', to: widerNumber(wanted, existing, wantedSql), isSilent: has.scale < need.scale };
}

function fitOfFloat(wanted: NativeType, existing: NativeType, wantedSql: string): Fit {
  if (wanted.name === existing.name || existing.name === 'double precision') return FITS;
  return existing.name === 'real' ? { verdict: 'widen', to: wantedSql, isSilent: true } : NO;
}

/** Digits before and after the point that a number type holds. */
function sizeOf(type: NativeType): { readonly whole: number; readonly scale: number } {
  const digits = DIGITS[type.name];
  if (digits !== undefined) return { whole: digits, scale: 0 };
  if (type.modifier === '') return { whole: Infinity, scale: Infinity };
  const [precision = 0, scale = 0] = type.modifier.split(',').map(Number);
  return { whole: precision - scale, scale };
}

/** A type that holds the values of both, for rows that are there already must stay what they are. */
function widerNumber(wanted: NativeType, existing: NativeType, wantedSql: string): string {
  if (wanted.name !== 'numeric') return existing.name === 'numeric' ? withBrackets('numeric', wanted) : wantedSql;
  const [need, has] = [sizeOf(wanted), sizeOf(existing)];
  const scale = Math.max(need.scale, has.scale);
  const precision = Math.max(need.whole, has.whole) + scale;
  return withBrackets(Number.isFinite(precision) ? `numeric(${precision},${scale})` : 'numeric', wanted);
}

function withBrackets(sql: string, type: NativeType): string {
  return type.isArray ? `${sql}[]` : sql;
}

function fitOfTime(wanted: NativeType, existing: NativeType, wantedSql: string): Fit {
  if (!TEMPORAL.test(existing.name)) return NO;
  if (wanted.name === 'date') return existing.name === 'date' || TIMESTAMP.test(existing.name) ? FITS : NO;
  if (existing.name === 'date') return TIMESTAMP.test(wanted.name) ? { verdict: 'widen', to: wantedSql, isSilent: true } : NO;
  if (TIMESTAMP.test(wanted.name) !== TIMESTAMP.test(existing.name)) return NO;
  if (fraction(existing) >= fraction(wanted)) return FITS;
  return { verdict: 'widen', to: wantedSql, isSilent: true };
}

function fraction(type: NativeType): number {
  return type.modifier === '' ? 6 : Number(type.modifier);
}

function isNumber(type: NativeType): boolean {
  return type.name in DIGITS || type.name === 'numeric' || isFloat(type);
}

function isFloat(type: NativeType): boolean {
  return type.name === 'real' || type.name === 'double precision';
}

function isTextual({ dataType }: ColumnDef): boolean {
  const type = dataType.kind === 'array' ? dataType.element : dataType;
  return type.kind === 'string' || type.kind === 'text' || type.kind === 'enum';
}
