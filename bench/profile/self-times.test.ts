import { expect, test } from 'vitest';
import { selfTimes } from './self-times.ts';

const frame = (functionName: string, url: string, lineNumber: number) => ({ functionName, url, lineNumber });

test('time is added up by function, wherever it was called from, without idle time', () => {
  const profile = {
    nodes: [
      { id: 1, callFrame: frame('(idle)', '', -1) },
      { id: 2, callFrame: frame('encode', 'file:///app/topics/a.ts', 9) },
      { id: 3, callFrame: frame('encode', 'file:///app/topics/a.ts', 9) },
      { id: 4, callFrame: frame('', 'file:///app/node_modules/x/y.js', 0) },
      { id: 5, callFrame: frame('(garbage collector)', '', -1) },
    ],
    samples: [2, 1, 3, 4, 5, 2],
    timeDeltas: [1000, 50_000, 2000, 500, 1500, 4000],
  };
  expect(selfTimes(profile, 'file:///app/')).toEqual({
    busyMs: 9,
    top: [
      { name: 'encode', place: 'topics/a.ts:10', ms: 7 },
      { name: '(garbage collector)', place: '', ms: 1.5 },
      { name: '(anonymous)', place: 'node_modules/x/y.js:1', ms: 0.5 },
    ],
  });
});
