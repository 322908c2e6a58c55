import { Command } from 'commander';

export function sourceCommand(): Command {
  return new Command('source')
    .description('run one source connector in the foreground')
    .option('--config <file>', 'YAML file with settings under "source:"; the environment wins')
    .action(async ({ config }: { config?: string }) => {
      const { main } = await import('../../sources/main.ts');
      process.exitCode = await main(config === undefined ? [] : ['--config', config]);
    });
}
