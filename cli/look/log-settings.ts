import { COMMON_OPTIONS, type CommonSettings } from '../../shared/config/common-options.ts';
import { readOptions, throwIfProblems } from '../../shared/config/options.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { kafkaConfig } from '../../topics/kafka/connection.ts';
import { LogOverview } from '../../topics/kafka/log-overview.ts';

/** The settings of broker and registry, for commands that look at the topics. */
export function readLogSettings(): CommonSettings {
  const { settings, problems } = readOptions(COMMON_OPTIONS, process.env);
  throwIfProblems(problems);
  return settings;
}

export async function withLogOverview<T>(settings: CommonSettings, use: (overview: LogOverview) => Promise<T>): Promise<T> {
  const overview = new LogOverview(kafkaConfig(settings, 'dbmazz-cli', silentLogger()));
  await overview.connect();
  try {
    return await use(overview);
  } finally {
    await overview.close();
  }
}
