import { createLogUpdate } from 'log-update';
import { progress } from '../terminal.ts';
import { drawLine, drawScene, type Scene } from './picture.ts';

const LINE_INTERVAL_MS = 2000;

/** Shows scenes: redrawn in place on a terminal, elsewhere as a line every two seconds. */
export interface Screen {
  readonly drawsScenes: boolean;
  show(scene: Scene): void;
  /** A line that stays, above what is redrawn. */
  say(line: string): void;
  /** Leaves the last scene standing; what is shown later starts anew below it. */
  rest(): void;
}

export function openScreen(): Screen {
  return process.stdout.isTTY && process.env['TERM'] !== 'dumb' ? new LiveScreen() : new LineScreen();
}

class LiveScreen implements Screen {
  readonly drawsScenes = true;
  readonly #update = createLogUpdate(process.stdout);
  #last: Scene | undefined;

  show(scene: Scene): void {
    this.#last = scene;
    this.#update(drawScene(scene));
  }

  say(line: string): void {
    this.#update.clear();
    process.stdout.write(`${line}\n`);
    if (this.#last !== undefined) this.#update(drawScene(this.#last));
  }

  rest(): void {
    this.#last = undefined;
    this.#update.done();
  }
}

class LineScreen implements Screen {
  readonly drawsScenes = false;
  #shownAt = Number.NEGATIVE_INFINITY;

  show(scene: Scene): void {
    if (performance.now() - this.#shownAt < LINE_INTERVAL_MS) return;
    this.#shownAt = performance.now();
    progress(drawLine(scene));
  }

  say(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  rest(): void {
    this.#shownAt = Number.NEGATIVE_INFINITY;
  }
}
