import { expect, test } from 'vitest';
import { quantile, Rate } from './rate.ts';

test('the rate is that of the last seconds', () => {
  const rate = new Rate();
  for (let second = 0; second <= 10; second++) rate.add(second < 5 ? second * 1000 : 5000, second * 1000);
  expect(rate.perSecond).toBe(0);
  expect(rate.highest).toBe(1000);
});

test('a total that starts anew is no negative rate', () => {
  const rate = new Rate();
  rate.add(500, 0);
  rate.add(3, 1000);
  expect(rate.perSecond).toBe(0);
});

test('the history is drawn up to its highest bar', () => {
  const rate = new Rate();
  [0, 0, 500, 2000].forEach((total, second) => rate.add(total, second * 1000));
  expect(rate.sparkline()).toBe('▁▁▃█');
});

test('a quantile is one of the values', () => {
  expect([quantile([5, 1, 4, 2, 3], 0.5), quantile([1, 2], 0.95), quantile([], 0.5)]).toEqual([3, 2, undefined]);
});
