import { expect, test } from 'vitest';
import { serverAccount } from './postgres.ts';

const NOBODY = 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\n';

test('as root the server runs as postgres if that user is there', () => {
  expect(serverAccount(`${NOBODY}postgres:x:101:104::/:/bin/sh\n`)).toEqual({ uid: 101, gid: 104 });
});

test('as root without a user postgres it runs as nobody', () => {
  expect(serverAccount(NOBODY)).toEqual({ uid: 65534, gid: 65533 });
});

test('without either it says what to do', () => {
  expect(() => serverAccount('root:x:0:0::/root:/bin/sh\n')).toThrow('run the command as another user');
});
