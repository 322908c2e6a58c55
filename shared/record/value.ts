/** Marks a value that the database did not send because it did not change: unknown, and never null. */
export const UNCHANGED: unique symbol = Symbol('UNCHANGED');

/**
 * One cell.
 *
 * | type | value |
 * |---|---|
 * | boolean | boolean |
 * | int16, int32, float32, float64 | number |
 * | int64 | number while it is a safe integer, bigint beyond |
 * | uint64, decimal, numeric | decimal text, with exactly `scale` digits after the point |
 * | string, text, enum, json, jsonb, uuid | string |
 * | bytes | Buffer |
 * | date | number of days since 1970-01-01 |
 * | time | number of microseconds since midnight |
 * | timestamp, timestampTz | microseconds since 1970-01-01 (UTC for timestampTz), number or bigint as int64 |
 * | array | array of values |
 *
 * ±infinity of a date, timestamp or timestampTz is the largest or smallest value of its encoding
 * (32 bits for a date, 64 bits for the others, before any change of unit).
 */
export type Value = null | boolean | number | bigint | string | Buffer | readonly Value[] | typeof UNCHANGED;

export const DATE_INFINITY = 2147483647;
export const DATE_MINUS_INFINITY = -2147483648;
export const TIMESTAMP_INFINITY = 9223372036854775807n;
export const TIMESTAMP_MINUS_INFINITY = -9223372036854775808n;
