import { loadEnvironment } from '../../shared/config/load-environment.ts';
import { throwIfErrors } from '../../shared/errors/throw-if-errors.ts';
import { EXIT } from '../../shared/errors/codes.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { productVersion, readSourceConfig } from '../../sources/main.ts';
import { prepareTopics } from '../../topics/topic-preparation.ts';
import { print } from '../terminal.ts';

/** Creates the topics of the source that is set; gives the exit code. */
export async function createTopics(argv: readonly string[]): Promise<number> {
  const { connector, settings } = readSourceConfig(loadEnvironment('source', argv, process.env));
  const log = silentLogger();
  const source = connector.create(settings, { log });
  throwIfErrors(await source.validate());
  const tables = await source.tables();
  const created = await prepareTopics({ settings, connector: connector.connectorName, version: productVersion(), tables, log });
  for (const topic of created) print(`created ${topic}`);
  print(`${created.length} topics created; ${tables.length} tables have their topics and schemas.`);
  return EXIT.stopped;
}
