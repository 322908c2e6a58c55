import { Command, InvalidArgumentError } from 'commander';
import type { TailArguments } from '../look/tail-topic.ts';
import { exitWith } from '../terminal.ts';

export function topicsCommand(): Command {
  return new Command('topics')
    .description('the topics of a source: list them, look into them, create them ahead of time')
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(describeCommand())
    .addCommand(tailCommand())
    .addCommand(createCommand());
}

function listCommand(): Command {
  return subcommand('list')
    .description('the topics of a source, how much is in them, and where the source stands')
    .argument('[source]', 'SOURCE_NAME of the source; the variable of that name if not given')
    .action(async (source: string | undefined) =>
      exitWith(async () => {
        const { showTopics } = await import('../look/topics.ts');
        return showTopics(source ?? process.env['SOURCE_NAME'] ?? '');
      }),
    );
}

function describeCommand(): Command {
  return subcommand('describe')
    .description('partitions and offsets of a topic, its settings, and the versions of its schemas')
    .argument('<topic>', 'name of the topic')
    .option('--json', 'as JSON')
    .action(async (topic: string, options: { json?: boolean }) =>
      exitWith(async () => {
        const { showTopic } = await import('../look/describe-topic.ts');
        return showTopic(topic, options);
      }),
    );
}

function tailCommand(): Command {
  return subcommand('tail')
    .description('the committed records of a topic, decoded, as they come; Ctrl-C ends it')
    .argument('<topic>', 'name of the topic')
    .option('--from <where>', 'beginning, end, or a time such as 2026-11-24T08:00:00Z or milliseconds since 1970', toStart, 'end' as const)
    .option('--key <values>', 'only records of this key: its values with commas between, or a JSON object of some of its columns')
    .option('--limit <number>', 'end after this many records', toLimit)
    .option('--no-follow', 'end at the present end of the topic')
    .option('--json', 'a JSON object a line')
    .action(async (topic: string, options: TailArguments) =>
      exitWith(async () => {
        const { tail } = await import('../look/tail-topic.ts');
        return tail(topic, options);
      }),
    );
}

function createCommand(): Command {
  return subcommand('create')
    .description('create the topics of a source and register their schemas, by the settings of the source; what exists stays as it is')
    .option('--config <file>', 'YAML file with settings under "source:"; the environment wins')
    .action(async ({ config }: { config?: string }) =>
      exitWith(async () => {
        const { createTopics } = await import('../look/create-topics.ts');
        return createTopics(config === undefined ? [] : ['--config', config]);
      }),
    );
}

function subcommand(name: string): Command {
  return new Command(name).exitOverride();
}

function toStart(text: string): TailArguments['from'] {
  if (text === 'beginning' || text === 'end') return text;
  const timestampMs = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isFinite(timestampMs)) return { timestampMs };
  throw new InvalidArgumentError('beginning, end or a time is expected.');
}

function toLimit(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InvalidArgumentError('A whole number above 0 is expected.');
}
