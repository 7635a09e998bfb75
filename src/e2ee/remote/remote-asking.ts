import type { FederationClient, RemoteFailure } from '../../federation/client.ts';
import type { Reachability } from '../../federation/reachability.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Millis } from '../../util/brand.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject } from '../../util/json.ts';

export interface RemoteAskingUses {
  readonly client: Pick<FederationClient, 'call'>;
  readonly reachability: Pick<Reachability, 'isDown' | 'failingSince'>;
  readonly clock: Clock;
}

/** One question to one server. */
export interface Question {
  readonly server: ServerName;
  readonly path: string;
  readonly content: JsonObject;
  readonly maxBytes: number;
  /** What is done with the answer; it is not kept. */
  readonly take: (answer: JsonObject) => void;
}

/** Servers whose users could not be asked about. */
export type Failures = Readonly<Record<string, JsonObject>>;

/** Questions under way at once: each may take some hundred kilobytes while its answer is read. */
const atOnce = 16;
const longest = 30_000;
const shortest = 1_000;
const usual = 10_000;

/**
 * A server that began to fail so lately may just have been started anew. It is asked although it is being left alone,
 * for what it does not tell now cannot be made good: a message for which no key was to be had stays unreadable.
 */
const lately = 10 * 60_000;
/** How long such a server may keep those waiting who have got all other answers. */
const secondTry = 3_000;

/** How long a client lets us ask others: what it says within bounds, ten seconds unless it says something. */
export function patience(asked: number | undefined): Millis {
  return millis(Math.min(longest, Math.max(shortest, asked ?? usual)));
}

/** Asks many servers at once, within a time for all of them together. */
export class RemoteAsking {
  readonly #uses: RemoteAskingUses;

  constructor(uses: RemoteAskingUses) {
    this.#uses = uses;
  }

  /** Answers what could not be asked, by server. Never rejects but by what `take` throws. */
  async ask(questions: readonly Question[], timeout: Millis): Promise<Failures> {
    const { clock } = this.#uses;
    const failures = new Map<string, JsonObject>();
    const end = clock.monotonic() + timeout;
    const isDown = new Map(questions.map(({ server }) => [server, this.#uses.reachability.isDown(server)]));
    // Those that hardly will answer keep nobody else waiting.
    const queue = questions.toSorted((a, b) => Number(isDown.get(a.server)) - Number(isDown.get(b.server))).values();
    const controller = new AbortController();
    // Later than the calls' own end: those that take too long are to count as failed.
    const cancel = clock.after(millis(timeout + 500), () => controller.abort());
    const worker = async () => {
      for (const question of queue) {
        // A server that has failed is not asked again.
        if (failures.has(question.server)) continue;
        const failure = await this.#one(question, end, controller.signal, isDown.get(question.server) === true);
        if (failure !== undefined) failures.set(question.server, failure);
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.min(atOnce, questions.length) }, worker));
    } finally {
      cancel();
    }
    return Object.fromEntries(failures);
  }

  async #one(question: Question, end: number, signal: AbortSignal, isDown: boolean): Promise<JsonObject | undefined> {
    const { client, clock } = this.#uses;
    const left = Math.floor(end - clock.monotonic());
    if (left <= 0 || signal.aborted) return timedOut;
    const { server, path, content, maxBytes } = question;
    const answer = await client.call({
      server,
      method: 'POST',
      path,
      content,
      maxBytes,
      timeout: millis(isDown ? Math.min(left, secondTry) : left),
      evenIfDown: isDown && this.#beganLately(server),
      signal,
    });
    if (!answer.ok) return signal.aborted ? timedOut : told(answer);
    question.take(answer.value);
    return undefined;
  }

  #beganLately(server: ServerName): boolean {
    const { reachability, clock } = this.#uses;
    const since = reachability.failingSince(server);
    return since !== undefined && clock.now() - since < lately;
  }
}

const timedOut = { status: 504, errcode: 'M_UNKNOWN', message: 'This server takes too long to answer' };

/** What a client is told in `failures`; some look at the status only, to see whether to try again. */
function told({ kind, status, errcode }: RemoteFailure): JsonObject {
  const message = {
    'not-allowed': 'This server does not talk to that one',
    down: 'That server cannot be reached at the moment',
    unreachable: 'That server cannot be reached',
    refused: 'That server answered with an error',
    invalid: 'That server gave an answer that cannot be used',
  }[kind];
  return { status: kind === 'refused' ? (status ?? 502) : 503, errcode: errcode ?? 'M_UNKNOWN', message };
}
