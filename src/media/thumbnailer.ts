import { type ChildProcess, spawn } from 'node:child_process';
import { millis } from '../util/brand.ts';
import type { Cancel, Clock } from '../util/clock.ts';
import type { JsonObject } from '../util/json.ts';
import type { Log } from '../util/log.ts';
import { type Frame, readFrames, writeFrame } from './frames.ts';
import type { ThumbnailSize } from './thumbnail-size.ts';

export type ThumbnailOutcome =
  | { readonly kind: 'made'; readonly data: Buffer; readonly contentType: string }
  /** The picture is no larger than what was asked for: it is its own thumbnail. */
  | { readonly kind: 'original' }
  | { readonly kind: 'failed'; readonly reason: string }
  /** Too many are waiting already. */
  | { readonly kind: 'busy' };

/** How to start the helper: the executable and the words that make it one. */
export interface HelperCommand {
  readonly program: string;
  readonly args: readonly string[];
}

interface Job {
  readonly head: JsonObject;
  readonly picture: () => Buffer;
  readonly done: (outcome: ThumbnailOutcome) => void;
}

/** Waiting pictures are not yet in memory (`picture` reads them when their turn comes), so this bounds patience only. */
const maxWaiting = 32;
const idleTime = millis(20_000);
/** A picture that takes longer than this is not worth a board's time. */
const patience = millis(30_000);

/** Makes thumbnails in a helper process that starts on demand and ends when idle; one picture at a time. */
export class Thumbnailer {
  readonly #command: HelperCommand;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiting: Job[] = [];
  #current: Job | undefined;
  #child: ChildProcess | undefined;
  #cancelTimer: Cancel = () => {};

  constructor(options: { command: HelperCommand; clock: Clock; log: Log }) {
    this.#command = options.command;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  make(
    picture: () => Buffer,
    size: ThumbnailSize & { readonly animated: boolean },
    maxPixels: number,
  ): Promise<ThumbnailOutcome> {
    if (this.#waiting.length >= maxWaiting) return Promise.resolve({ kind: 'busy' });
    return new Promise((done) => {
      const { width, height, method, animated } = size;
      this.#waiting.push({ head: { width, height, method, animated, maxPixels }, picture, done });
      this.#next();
    });
  }

  close(): void {
    this.#cancelTimer();
    this.#child?.kill();
  }

  #next(): void {
    if (this.#current !== undefined) return;
    this.#cancelTimer();
    const job = this.#waiting.shift();
    if (job === undefined) {
      this.#cancelTimer = this.#clock.after(idleTime, () => this.#letGo());
      return;
    }
    this.#current = job;
    const picture = this.#read(job);
    if (picture === undefined) {
      this.#finish({ kind: 'failed', reason: 'the picture is not there' });
      return;
    }
    const child = this.#started();
    this.#cancelTimer = this.#clock.after(patience, () => child.kill('SIGKILL'));
    if (child.stdin !== null) writeFrame(child.stdin, job.head, picture);
  }

  /** Its disk may fail, and that of one picture is no reason for the others to wait, or for the server to end. */
  #read({ picture }: Job): Buffer | undefined {
    try {
      return picture();
    } catch (cause) {
      this.#log.error('media.picture_not_read', { cause });
      return undefined;
    }
  }

  /** The helper ends with its input; a picture that comes meanwhile gets a new one. */
  #letGo(): void {
    this.#child?.stdin?.end();
    this.#child = undefined;
  }

  #started(): ChildProcess {
    if (this.#child !== undefined) return this.#child;
    const child = spawn(this.#command.program, this.#command.args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    readFrames(child.stdout, (frame) => this.#finish(outcomeOf(frame)));
    const gone = (reason: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      if (this.#current !== undefined) {
        this.#log.warn('media.thumbnail_helper_ended', { reason });
        this.#finish({ kind: 'failed', reason: 'the picture could not be read' });
      }
    };
    child.on('error', (problem) => gone(problem.message));
    child.on('exit', (code, signal) => gone(`ended with ${code ?? signal}`));
    // A helper that dies while a picture is on its way to it is told of by its exit.
    child.stdin.on('error', (problem) => this.#log.debug('media.thumbnail_helper_pipe', { reason: problem.message }));
    child.unref();
    return child;
  }

  #finish(outcome: ThumbnailOutcome): void {
    const job = this.#current;
    this.#current = undefined;
    job?.done(outcome);
    this.#next();
  }
}

function outcomeOf(frame: Frame): ThumbnailOutcome {
  const { kind, contentType, reason } = frame.head;
  if (kind === 'original') return { kind };
  if (kind === 'made' && typeof contentType === 'string') return { kind, data: Buffer.from(frame.body), contentType };
  return { kind: 'failed', reason: typeof reason === 'string' ? reason : 'the helper gave no answer' };
}
