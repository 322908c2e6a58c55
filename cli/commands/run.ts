import { Command } from 'commander';

export function runCommand(): Command {
  return new Command('run')
    .description('run several sources and sinks in one process, in the foreground')
    .option('--config <file>', 'YAML file with lists under "sources:" and "sinks:", and settings for all of them above')
    .action(async ({ config }: { config?: string }) => {
      const { runMany } = await import('../run/run-many.ts');
      // What still waits for a server that does not answer must not keep the process.
      process.exit(await runMany(config));
    });
}
