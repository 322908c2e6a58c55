import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { drawLine, drawScene, type Scene } from './picture.ts';

const scene: Scene = {
  phase: 'flowing',
  seconds: 75,
  hint: 'Ctrl-C: stop',
  parts: [
    { title: 'order shop', state: 'open', unit: 'changes', total: 12_345, perSecond: 498.6, sparkline: '▃█', lagSeconds: undefined },
    { title: 'sink clickhouse', state: 'running', unit: 'records', total: 12_000, perSecond: 500, sparkline: '▁▁', lagSeconds: 0.24 },
  ],
  tables: [{ table: 'orders', rows: [4500, 4500, undefined] }],
};

test('a scene has the picture, the parts and the rows', () => {
  const lines = stripVTControlCharacters(drawScene(scene)).split('\n');
  expect(lines[0]).toBe('dbmazz on Kafka  flowing  1:15');
  expect(lines).toContain('  order shop           499 changes/s  ▃█                            12,345  open');
  expect(lines).toContain('  sink clickhouse      500 records/s  ▁▁                            12,000  running    0.2 s behind');
  expect(lines).toContain('  orders                    4,500            4,500                –');
  expect(lines.at(-1)).toBe('Ctrl-C: stop');
});

test('no line is wider than a terminal of a hundred columns', () => {
  const widths = stripVTControlCharacters(drawScene(scene))
    .split('\n')
    .map((line) => line.length);
  expect(Math.max(...widths)).toBeLessThanOrEqual(100);
});

test('without a terminal a scene is one line', () => {
  expect(drawLine(scene)).toBe('[ 75 s] flowing · order shop 499 changes/s (12,345) · sink clickhouse 500 records/s (12,000, 0.2 s behind)');
});
