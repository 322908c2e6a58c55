/** The parts of a `.cpuprofile` that are read here (DevTools protocol, "Profiler.Profile"). */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  /** Id of the node that was on top, at each sample. */
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  readonly name: string;
  /** File and line; empty for the runtime's own work. */
  readonly place: string;
  readonly ms: number;
}

const IDLE = '(idle)';

/** Time in each function itself, most first; time without work is left out. Files are named from `root` on. */
export function selfTimes({ nodes, samples, timeDeltas }: CpuProfile, root: string): { readonly busyMs: number; readonly top: readonly SelfTime[] } {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, SelfTime>();
  let busyMs = 0;
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id);
    if (frame === undefined || frame.functionName === IDLE) continue;
    const ms = (timeDeltas[index] ?? 0) / 1000;
    const place = frame.url === '' ? '' : `${shorten(frame.url, root)}:${frame.lineNumber + 1}`;
    const name = frame.functionName === '' ? '(anonymous)' : frame.functionName;
    const key = `${name} ${place}`;
    times.set(key, { name, place, ms: (times.get(key)?.ms ?? 0) + ms });
    busyMs += ms;
  }
  return { busyMs, top: [...times.values()].toSorted((a, b) => b.ms - a.ms) };
}

function shorten(url: string, root: string): string {
  return url.startsWith(root) ? url.slice(root.length) : url.replace(/^.*\/node_modules\//, 'node_modules/');
}
