import { expect, test } from 'vitest';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { ErrorAction, ErrorCode } from '../../shared/errors/codes.ts';
import { toPostgresError } from './client.ts';

const driverError = (code: string, more = {}) => Object.assign(new Error('the words of the driver'), { code, ...more });

test.each<[string, ErrorCode, ErrorAction]>([
  ['28P01', 'AUTH_FAILED', 'stop'],
  ['28000', 'AUTH_FAILED', 'stop'],
  ['3D000', 'AUTH_FAILED', 'stop'],
  ['42501', 'SETUP_GRANT_MISSING', 'stop'],
  ['25006', 'SETUP_PUBLICATION', 'stop'],
  ['53400', 'SETUP_LIMIT_REACHED', 'stop'],
  ['55006', 'SLOT_IN_USE', 'retry'],
  ['53300', 'CONNECTION_LOST', 'retry'],
  ['42704', 'POSITION_LOST', 'stop'],
  ['55000', 'POSITION_LOST', 'stop'],
  ['54000', 'VALUE_OUT_OF_RANGE', 'setAside'],
  ['XX000', 'CONNECTION_LOST', 'retry'],
  ['57P01', 'CONNECTION_LOST', 'retry'],
  ['ECONNREFUSED', 'CONNECTION_LOST', 'retry'],
  ['ENOTFOUND', 'CONNECTION_LOST', 'retry'],
])('%s of the driver is %s: %s', (state, code, action) => {
  const cause = driverError(state);
  const error = toPostgresError(cause, 'testing');
  expect({ code: error.code, action: error.action, cause: error.cause, state: error.context['sqlState'] }).toEqual({ code, action, cause, state });
  expect(error.message).not.toContain('the words of the driver');
});

test('an internal error of the server that comes of a request for too much memory is one of a row, and no lost connection', () => {
  expect(toPostgresError(driverError('XX000', { file: 'mcxt.c', routine: 'palloc' }), 'testing')).toMatchObject({ code: 'VALUE_OUT_OF_RANGE' });
});

test('an error of ours stays what it is', () => {
  const error = new CdcError('VALUE_OUT_OF_RANGE', 'too large');
  expect(toPostgresError(error, 'testing')).toBe(error);
});

test('a bug is not taken for a lost connection, which would be tried again for ever', () => {
  expect(toPostgresError(new TypeError('undefined is not a function'), 'testing')).toMatchObject({ code: 'INVARIANT_BROKEN' });
});

test('a connection that ends without a code is lost', () => {
  expect(toPostgresError(new Error('Connection terminated unexpectedly'), 'testing')).toMatchObject({ code: 'CONNECTION_LOST' });
});
