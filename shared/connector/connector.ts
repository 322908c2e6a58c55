import type { Options, Settings } from '../config/options.ts';
import type { SinkSettings } from '../config/sink-options.ts';
import type { SourceSettings } from '../config/source-options.ts';
import type { Logger } from '../observe/log.ts';
import type { Sink } from './sink.ts';
import type { Source } from './source.ts';

/** What a connector is given beside its settings. */
export interface ConnectorContext {
  readonly log: Logger;
}

/** One entry of the table of sources: its own settings, and how to make it. Neither opens a connection. */
export interface SourceConnector<O extends Options = Options> {
  readonly options: O;
  /** Debezium's name of the connector, as records carry it. */
  readonly connectorName: string;
  /** Throws `CONFIG_INVALID` where settings contradict each other. */
  create(settings: SourceSettings & Settings<O>, context: ConnectorContext): Source;
}

export interface SinkConnector<O extends Options = Options> {
  readonly options: O;
  create(settings: SinkSettings & Settings<O>, context: ConnectorContext): Sink;
}
