import type { Person } from '../../test/support/clients/person.ts';
import type { ServerProcess } from '../../test/support/servers/server-process.ts';
import { usageOf } from './process-tree.ts';

export interface ChatOptions {
  readonly senders: number;
  readonly messages: number;
}

export interface ChatFigures {
  readonly messagesPerSecond: number;
  readonly cpuSecondsPerThousand: number;
  /** From the moment a message is sent to the moment a user's /sync has brought it, over all messages and users. */
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** Deliveries that a user's /sync left out, or brought twice. 0 or the run is void. */
  readonly missed: number;
  readonly doubled: number;
  readonly rssMib: number;
  readonly anonymousMib: number;
}

const words = 'the soup is on the stove and somebody has to stir it while we lay the table for all of us tonight'.split(
  ' ',
);

/** A text of a chat's usual length: 4 to 27 words, different each time. */
function chatter(number: number): string {
  const length = 4 + (number % 24);
  return Array.from({ length }, (_, i) => words[(number * 7 + i * 3) % words.length]).join(' ');
}

/** Everybody in the room long-polls; some of them send one message after the other. */
export async function chat(
  server: ServerProcess,
  people: readonly Person[],
  room: string,
  options: ChatOptions,
): Promise<ChatFigures> {
  const label = `${performance.now()}`;
  const sentAt: number[] = [];
  const latencies: number[] = [];
  const seen = people.map(() => new Uint8Array(options.messages));
  let next = 0;
  let doubled = 0;
  let remaining = options.messages * people.length;

  const follow = async (person: Person, mine: Uint8Array, from: string): Promise<void> => {
    let since = from;
    let open = options.messages;
    while (open > 0) {
      const answer = await person.sync(`since=${since}&timeout=10000&filter=${filter}`);
      const now = performance.now();
      const body = JSON.parse(answer.body) as SyncAnswer;
      if (answer.status !== 200) throw new Error(answer.body);
      since = body.next_batch;
      for (const event of body.rooms?.join?.[room]?.timeline?.events ?? []) {
        if (event.content.bench !== label) continue;
        const number = event.content.number as number;
        if (mine[number] === 1) doubled++;
        else {
          mine[number] = 1;
          open--;
          remaining--;
          latencies.push(now - (sentAt[number] as number));
        }
      }
    }
  };

  const send = async (person: Person): Promise<void> => {
    while (next < options.messages) {
      const number = next++;
      sentAt[number] = performance.now();
      await person.say(room, chatter(number), { bench: label, number });
    }
  };

  const tokens = await Promise.all(
    people.map(async (person) => nextBatch(await person.sync(`timeout=0&filter=${filter}`))),
  );
  const before = usageOf(server.pid);
  const start = performance.now();
  const followers = people.map((person, i) => follow(person, seen[i] as Uint8Array, tokens[i] as string));
  await Promise.all(people.slice(0, options.senders).map(send));
  const sent = performance.now();
  await Promise.race([Promise.all(followers), stalled(() => remaining)]);
  const after = usageOf(server.pid);
  latencies.sort((a, b) => a - b);
  return {
    messagesPerSecond: (options.messages * 1000) / (sent - start),
    cpuSecondsPerThousand: ((after.cpuSeconds - before.cpuSeconds) * 1000) / options.messages,
    latencyMs: { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) },
    missed: remaining,
    doubled,
    rssMib: after.rssMib,
    anonymousMib: after.anonymousMib,
  };
}

interface SyncAnswer {
  next_batch: string;
  rooms?: { join?: Record<string, { timeline?: { events: { content: { bench?: string; number?: number } }[] } }> };
}

const filter = encodeURIComponent(
  JSON.stringify({ room: { timeline: { limit: 100 }, state: { lazy_load_members: true } } }),
);

function nextBatch(answer: { body: string }): string {
  return (JSON.parse(answer.body) as SyncAnswer).next_batch;
}

/** Ends the wait when nothing has arrived for a while: what is still open then was skipped. */
async function stalled(remaining: () => number): Promise<void> {
  let last = -1;
  while (remaining() !== last) {
    last = remaining();
    await new Promise((done) => setTimeout(done, 15_000).unref());
  }
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}
