import { Command, InvalidArgumentError } from 'commander';
import type { DemoArguments } from '../demo/demo-process.ts';

export function demoCommand(): Command {
  return new Command('demo')
    .description('the whole thing on this machine: a stack, a live order shop, one source, two sinks, and their verification')
    .option('--exit', 'end by itself after the verification', false)
    .option('--seconds <number>', 'with --exit: how long the shop is open', toPositive, 20)
    .option('--rate <number>', 'changes a second', toPositive, 500)
    .action(async (options: DemoArguments) => {
      const { demo } = await import('../demo/demo-process.ts');
      await demo(options);
    });
}

function toPositive(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('A number above 0 is expected.');
}
