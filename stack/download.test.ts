import { expect, test } from 'vitest';
import { bytesDone, bytesUnderWay, javaMajor, toolEnvironment } from './download.ts';

test.each([
  ['Progress (1): 4.1/109 MB', 4_100_000],
  ['Progress (2): 4.1/109 MB | 12 kB', 4_112_000],
  ['Progress (1): 900 B', 900],
  ['[INFO] BUILD SUCCESS', undefined],
])('what Maven has of files under way: %s', (line, expected) => {
  expect(bytesUnderWay(line)).toBe(expected);
});

test.each([
  ['[INFO] Downloaded from central: https://x/maven2/a/b-1.jar (109 MB at 23 MB/s)', 109_000_000],
  ['[INFO] Downloading from central: https://x/maven2/a/b-1.jar', 0],
])('what Maven has of whole files: %s', (line, expected) => {
  expect(bytesDone(line)).toBe(expected);
});

test.each([
  ['openjdk version "17.0.15" 2025-04-15', 17],
  ['java version "1.8.0_392"', 1],
  ['', 0],
])('the Java of %j', (output, expected) => {
  expect(javaMajor(output)).toBe(expected);
});

test("npm for another folder keeps the user's settings and loses those of the script it was started from", () => {
  const env = { PATH: '/bin', npm_config_cache: '/c', npm_config_local_prefix: '/p', npm_package_name: 'x', npm_lifecycle_event: 'stack', INIT_CWD: '/p' };

  expect(toolEnvironment(env)).toEqual({ PATH: '/bin', npm_config_cache: '/c' });
});
