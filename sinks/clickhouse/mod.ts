import type { SinkConnector } from '../../shared/connector/connector.ts';
import { ClickHouseSink } from './clickhouse-sink.ts';
import { CLICKHOUSE_OPTIONS, resolveConfig } from './config.ts';

export const clickhouseSink: SinkConnector<typeof CLICKHOUSE_OPTIONS> = {
  options: CLICKHOUSE_OPTIONS,
  create: (settings, { log }) => new ClickHouseSink(resolveConfig(settings), log),
};
