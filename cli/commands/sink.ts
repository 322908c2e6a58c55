import { Command } from 'commander';

export function sinkCommand(): Command {
  return new Command('sink')
    .description('run one sink connector in the foreground')
    .option('--config <file>', 'YAML file with settings under "sink:"; the environment wins')
    .action(async ({ config }: { config?: string }) => {
      const { main } = await import('../../sinks/main.ts');
      process.exitCode = await main(config === undefined ? [] : ['--config', config]);
    });
}
