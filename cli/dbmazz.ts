#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { EXIT } from '../shared/errors/codes.ts';
import { checkCommand } from './commands/check.ts';
import { demoCommand } from './commands/demo.ts';
import { replayCommand } from './commands/replay.ts';
import { resumeCommand } from './commands/resume.ts';
import { runCommand } from './commands/run.ts';
import { sinkCommand } from './commands/sink.ts';
import { skipCommand } from './commands/skip.ts';
import { snapshotCommand } from './commands/snapshot.ts';
import { sourceCommand } from './commands/source.ts';
import { statusCommand } from './commands/status.ts';
import { topicsCommand } from './commands/topics.ts';
import { verifyCommand } from './commands/verify.ts';

/** Each loads what it needs when it runs. */
const COMMANDS = [
  sourceCommand,
  sinkCommand,
  runCommand,
  checkCommand,
  topicsCommand,
  statusCommand,
  snapshotCommand,
  resumeCommand,
  skipCommand,
  replayCommand,
  verifyCommand,
  demoCommand,
];

function buildProgram(): Command {
  const program = new Command('dbmazz')
    .description('Change data capture on Kafka: a database → Kafka topics → ClickHouse, PostgreSQL. Settings come from the environment.')
    .version(manifest.version, '-V, --version')
    .showHelpAfterError('Add --help to see what it takes.')
    .exitOverride();
  for (const command of COMMANDS) program.addCommand(command().exitOverride());
  return program;
}

// Whoever read the output may go (`| head`): the command ends as it would have.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') throw error;
});
try {
  await buildProgram().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.stopped : EXIT.configuration;
}
