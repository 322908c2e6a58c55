import { Command } from 'commander';
import { exitWith } from '../terminal.ts';

export function checkCommand(): Command {
  return new Command('check')
    .description('check the settings and what they need, of the source (SOURCE_TYPE) and the sink (SINK_TYPE) that are set; changes nothing')
    .option('--config <file>', 'YAML file with settings under "source:" and "sink:"; the environment wins')
    .action(async ({ config }: { config?: string }) =>
      exitWith(async () => {
        const { check } = await import('../look/check.ts');
        return check(config === undefined ? [] : ['--config', config]);
      }),
    );
}
