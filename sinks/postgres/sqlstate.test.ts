import { expect, test } from 'vitest';
import { errorCodeOf } from './sqlstate.ts';

test.each([
  ['08006', 'CONNECTION_LOST'],
  ['57P01', 'CONNECTION_LOST'],
  ['57P03', 'CONNECTION_LOST'],
  ['25006', 'CONNECTION_LOST'],
  ['ECONNREFUSED', 'CONNECTION_LOST'],
  ['ECONNRESET', 'CONNECTION_LOST'],
  ['EPIPE', 'CONNECTION_LOST'],
  ['28P01', 'AUTH_FAILED'],
  ['28000', 'AUTH_FAILED'],
  ['40P01', 'TARGET_BUSY'],
  ['40001', 'TARGET_BUSY'],
  ['55P03', 'TARGET_BUSY'],
  ['53300', 'TARGET_BUSY'],
  ['53100', 'TARGET_BUSY'],
  ['57014', 'TIMEOUT'],
  ['42501', 'SETUP_GRANT_MISSING'],
  ['22003', 'VALUE_OUT_OF_RANGE'],
  ['22001', 'VALUE_OUT_OF_RANGE'],
  ['22008', 'VALUE_OUT_OF_RANGE'],
  ['22021', 'RECORD_REJECTED'],
  ['22P02', 'RECORD_REJECTED'],
  ['23505', 'RECORD_REJECTED'],
  ['23502', 'RECORD_REJECTED'],
  ['54000', 'RECORD_REJECTED'],
  ['3D000', 'TARGET_REFUSED'],
  ['42P01', 'TARGET_REFUSED'],
  ['XX000', 'TARGET_REFUSED'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', undefined],
])('%s is %s', (code, expected) => {
  expect(errorCodeOf(code)).toBe(expected);
});
