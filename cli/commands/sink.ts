import { Command } from 'commander';
import { main } from '../../sinks/main.ts';

export function sinkCommand(): Command {
  return new Command('sink')
    .description('run one sink connector in the foreground')
    .option('--config <file>', 'YAML file with settings under "sink:"; the environment wins')
    .action(async ({ config }: { config?: string }) => {
      process.exitCode = await main(config === undefined ? [] : ['--config', config]);
    });
}
