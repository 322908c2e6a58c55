import { ClickHouseError } from '@clickhouse/client';
import { expect, test } from 'vitest';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { saysTableChanged, toTargetError } from './errors.ts';

const attempt = { action: 'writing to shop.orders', hasTimedOut: false };
const fromServer = (code: number) => new ClickHouseError({ message: 'a cell: hunter2', code: String(code), type: 'NAME' });

test.each([
  [516, 'AUTH_FAILED'],
  [497, 'SETUP_GRANT_MISSING'],
  [60, 'TABLE_NOT_FOUND'],
  [159, 'TIMEOUT'],
  [210, 'CONNECTION_LOST'],
  [252, 'TARGET_BUSY'],
  [241, 'TARGET_BUSY'],
  [202, 'TARGET_BUSY'],
  [321, 'VALUE_OUT_OF_RANGE'],
  [469, 'RECORD_REJECTED'],
  [117, 'TARGET_REFUSED'],
  [62, 'TARGET_REFUSED'],
])('server error %i is %s', (code, expected) => {
  const error = toTargetError(fromServer(code), attempt);
  expect(error.code).toBe(expected);
  expect(error.message).toContain('writing to shop.orders');
  expect(error.message).not.toContain('hunter2');
  expect(error.cause).toBeInstanceOf(ClickHouseError);
});

test('what never reached a server is a lost connection', () => {
  expect(toTargetError(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), attempt).code).toBe('CONNECTION_LOST');
});

test('an attempt that took too long is a time-out, whatever the driver says', () => {
  expect(toTargetError(new Error('aborted'), { ...attempt, hasTimedOut: true }).code).toBe('TIMEOUT');
});

test('a coded error stays what it is', () => {
  const coded = new CdcError('TARGET_BUSY', 'wait');
  expect(toTargetError(coded, attempt)).toBe(coded);
});

test('a mismatch of columns is told from other refusals', () => {
  expect(saysTableChanged(toTargetError(fromServer(117), attempt))).toBe(true);
  expect(saysTableChanged(toTargetError(fromServer(62), attempt))).toBe(false);
});
