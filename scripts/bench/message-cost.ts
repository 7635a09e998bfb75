import { Person } from '../../test/support/clients/person.ts';
import { giantRoom, readGiant } from '../../test/support/giant/giant-room.ts';
import { freePort } from '../../test/support/servers/server-process.ts';
import { ThrowAwayCa } from '../../test/support/throw-away-ca.ts';
import { type ChatFigures, chat } from './chat.ts';
import { startBeside, startGiant } from './giant-process.ts';

export interface MessageCostOptions {
  /** Members of each room. */
  readonly sizes: readonly number[];
  /** How often each room has its turn. */
  readonly rounds: number;
  /** Of one turn. */
  readonly messages: number;
  readonly executable?: string;
  readonly prefix: readonly string[];
}

export interface MessageCost {
  readonly members: number;
  /** CPU seconds for 1,000 messages, of each turn, sorted. */
  readonly cpuSeconds: readonly number[];
  /** Of the last turn. */
  readonly last: ChatFigures;
}

const locals = 5;
const longest = 10 * 60_000;

/** A server with five of our users in a room with many members of one other server. */
interface Scene extends AsyncDisposable {
  readonly members: number;
  turn(messages: number): Promise<ChatFigures>;
}

/**
 * In each room one of ours talks, and all five follow. What differs between rooms is the number of their members only.
 * Each has a server of its own; they take turns, so that what else the machine does concerns all alike.
 */
export async function messageCosts({ sizes, rounds, messages, ...rest }: MessageCostOptions): Promise<MessageCost[]> {
  const scenes: Scene[] = [];
  try {
    for (const members of sizes) scenes.push(await openScene(members, rest));
    // What a join leaves to be done, and the first messages, belong to the join.
    await new Promise((done) => setTimeout(done, 15_000));
    for (const scene of scenes) await scene.turn(Math.ceil(messages / 2));
    const turns = new Map<Scene, ChatFigures[]>(scenes.map((scene) => [scene, []]));
    for (let round = 0; round < rounds; round++) {
      for (const scene of scenes) turns.get(scene)?.push(await scene.turn(messages));
    }
    return [...turns].map(([{ members }, figures]) => ({
      members,
      cpuSeconds: figures.map((each) => each.cpuSecondsPerThousand).sort((left, right) => left - right),
      last: figures.at(-1) as ChatFigures,
    }));
  } finally {
    for (const scene of scenes) await scene[Symbol.asyncDispose]();
  }
}

async function openScene(members: number, rest: Pick<MessageCostOptions, 'executable' | 'prefix'>): Promise<Scene> {
  const folder = giantRoom({ members: members - locals, servers: 1, version: '10' });
  const about = readGiant(folder);
  const ca = await ThrowAwayCa.create();
  const port = await freePort();
  const issued = await ca.issue('giant.test', '*.giant.test');
  const giant = await startGiant({ folder, port, ...issued, canOmitMembers: false });
  const toml = '[rate_limits]\nenabled = false\n';
  const server = await startBeside({ ...rest, servers: 1, port, trusted: ca.cert, toml });
  const people: Person[] = [];
  const dispose = async () => {
    for (const person of people) person.close();
    giant.kill();
    await server.remove();
  };
  try {
    for (let i = 0; i < locals; i++) people.push(await Person.register(server.port, `user${i}`));
    const [first, ...others] = people as [Person, ...Person[]];
    await first.call('POST', `/_matrix/client/v3/join/${encodeURIComponent(about.roomId)}?via=giant.test`, {});
    await allMembers(first, about.roomId, about.members + 1);
    for (const person of others) await person.join(about.roomId);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    members,
    turn: (messages) => chat(server, people, about.roomId, { senders: 1, messages }),
    [Symbol.asyncDispose]: dispose,
  };
}

async function allMembers(person: Person, room: string, wanted: number): Promise<void> {
  const end = performance.now() + longest;
  while (performance.now() < end) {
    if ((await person.memberCount(room)) === wanted) return;
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error(`the room does not get its ${wanted} members`);
}
