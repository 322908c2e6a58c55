import type { SourceConnector } from '../../shared/connector/connector.ts';
import { POSTGRES_OPTIONS, toConfig } from './config.ts';
import { PostgresSource } from './source.ts';

export const postgresSource: SourceConnector<typeof POSTGRES_OPTIONS> = {
  options: POSTGRES_OPTIONS,
  connectorName: 'postgresql',
  create: (settings, context) => new PostgresSource(toConfig(settings), context),
};
