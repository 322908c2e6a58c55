import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** One process, not to be mistaken for a later one that was given the same number. */
export interface ProcessMark {
  readonly pid: number;
  /** Opaque; on Linux the boot's id and the clock ticks between boot and the start of the process. */
  readonly startTime: string;
}

interface ProcessFacts {
  readonly startTime: string;
  readonly parent: number;
  readonly state: string;
}

const POLL_MS = 10;

let bootId: string | undefined;

/** Undefined if no such process runs (an ended one that nobody has collected yet counts as gone). */
export function markOf(pid: number): ProcessMark | undefined {
  const facts = factsOf(pid);
  return facts === undefined || facts.state.startsWith('Z') ? undefined : { pid, startTime: facts.startTime };
}

export function ownMark(): ProcessMark {
  const mark = markOf(process.pid);
  if (mark === undefined) throw new Error('The start time of this process cannot be read.');
  return mark;
}

export function isAlive(mark: ProcessMark): boolean {
  return markOf(mark.pid)?.startTime === mark.startTime;
}

/** Sends the signal to exactly that process; false if it is gone (or is now another one). */
export function signalProcess(mark: ProcessMark, signal: NodeJS.Signals): boolean {
  if (!isAlive(mark)) return false;
  try {
    return process.kill(mark.pid, signal);
  } catch {
    return false;
  }
}

/** Ends a process and its descendants: the signal first, SIGKILL for what is left when the grace is over. */
export async function endProcess(mark: ProcessMark, signal: NodeJS.Signals, graceMs: number): Promise<void> {
  const family = [mark, ...descendantsOf(mark)];
  signalProcess(mark, signal);
  if (await allGone(family, graceMs)) return;
  killNow(family);
  if (!(await allGone(family, 10_000))) throw new Error(`Process ${mark.pid} is still there after SIGKILL.`);
}

/** SIGKILL for the process and its descendants at once; resolves when all of them are gone. */
export async function killProcess(mark: ProcessMark): Promise<void> {
  const family = [mark, ...descendantsOf(mark)];
  killNow(family);
  if (!(await allGone(family, 10_000))) throw new Error(`Process ${mark.pid} is still there after SIGKILL.`);
}

/** For the moment in which this process itself ends: no waiting. */
export function killFamilyNow(mark: ProcessMark): void {
  killNow([mark, ...descendantsOf(mark)]);
}

function killNow(family: readonly ProcessMark[]): void {
  for (const mark of family) signalProcess(mark, 'SIGKILL');
}

async function allGone(family: readonly ProcessMark[], withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (family.some(isAlive)) {
    if (performance.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

/** PostgreSQL's children leave its process group, so they are found by parenthood. */
function descendantsOf(root: ProcessMark): ProcessMark[] {
  if (!existsSync('/proc/self/stat') || !isAlive(root)) return [];
  const children = Map.groupBy(everyProcess(), (entry) => entry.parent);
  const found: ProcessMark[] = [];
  const open = [root.pid];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const child of children.get(pid) ?? []) {
      found.push({ pid: child.pid, startTime: child.startTime });
      open.push(child.pid);
    }
  }
  return found;
}

function everyProcess(): (ProcessFacts & { readonly pid: number })[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const facts = factsOf(Number(name));
      return facts === undefined ? [] : [{ ...facts, pid: Number(name) }];
    });
}

function factsOf(pid: number): ProcessFacts | undefined {
  return existsSync('/proc/self/stat') ? factsFromProc(pid) : factsFromPs(pid);
}

function factsFromProc(pid: number): ProcessFacts | undefined {
  try {
    bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'), bootId);
  } catch {
    return undefined;
  }
}

/** proc_pid_stat(5). The command's name may hold blanks and brackets: fields are counted after its last bracket. */
export function parseProcStat(text: string, boot: string): ProcessFacts | undefined {
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .trim()
    .split(' ');
  const [state, parent] = fields;
  const ticks = fields[19];
  if (state === undefined || parent === undefined || ticks === undefined) return undefined;
  return { state, parent: Number(parent), startTime: `${boot}:${ticks}` };
}

function factsFromPs(pid: number): ProcessFacts | undefined {
  try {
    const text = execFileSync('ps', ['-o', 'ppid=,state=,lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const [, parent, state, startTime] = /^\s*(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(text) ?? [];
    if (parent === undefined || state === undefined || startTime === undefined) return undefined;
    return { parent: Number(parent), state, startTime };
  } catch {
    return undefined;
  }
}
