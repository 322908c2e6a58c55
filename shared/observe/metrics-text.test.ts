import { expect, test } from 'vitest';
import { mergeMetricsTexts } from './metrics-text.ts';
import { createMetrics } from './metrics.ts';

test('samples of one metric come together, under one HELP and one TYPE', () => {
  const a = '# HELP x_total X\n# TYPE x_total counter\nx_total{source="a"} 1\n\n# HELP y Y\n# TYPE y gauge\ny{source="a"} 2\n';
  const b = '# HELP x_total X\n# TYPE x_total counter\nx_total{source="b"} 3\n';
  expect(mergeMetricsTexts([a, b])).toBe(
    '# HELP x_total X\n# TYPE x_total counter\nx_total{source="a"} 1\nx_total{source="b"} 3\n\n# HELP y Y\n# TYPE y gauge\ny{source="a"} 2\n',
  );
});

test('histograms of several pipelines stay whole', async () => {
  const metrics = ['a', 'b'].map((name) => createMetrics('sink', name, false));
  for (const each of metrics) each.batchSeconds.observe(0.02);
  const text = mergeMetricsTexts(await Promise.all(metrics.map(async ({ registry }) => registry.metrics())));
  expect(text.match(/^# TYPE dbmazz_sink_batch_duration_seconds histogram$/gm)).toHaveLength(1);
  for (const name of ['a', 'b']) expect(text).toContain(`dbmazz_sink_batch_duration_seconds_count{sink="${name}"} 1\n`);
});

test('the metrics of the process are there only where they are asked for', async () => {
  expect(await createMetrics('sink', 'a', false).registry.metrics()).not.toContain('dbmazz_process_');
  expect(await createMetrics('sink', 'a').registry.metrics()).toContain('dbmazz_process_cpu_seconds_total{sink="a"}');
});
