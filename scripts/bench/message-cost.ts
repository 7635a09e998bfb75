import { giantRoom, readGiant } from '../../test/support/giant/giant-room.ts';
import { Person } from '../../test/support/person.ts';
import { freePort } from '../../test/support/server-process.ts';
import { ThrowAwayCa } from '../../test/support/throw-away-ca.ts';
import { type ChatFigures, chat } from './chat.ts';
import { startBeside, startGiant } from './giant-process.ts';

export interface MessageCostOptions {
  readonly members: number;
  readonly messages: number;
  readonly executable?: string;
  readonly prefix: readonly string[];
}

const locals = 5;
const longest = 10 * 60_000;

/**
 * Five of our users in a room with many members of one other server: one talks, all five follow. What differs between
 * rooms is the number of their members only.
 */
export async function messageCost({ members, messages, ...rest }: MessageCostOptions): Promise<ChatFigures> {
  const shape = { members: members - locals, servers: 1, version: '10' };
  const folder = giantRoom(shape);
  const about = readGiant(folder);
  const ca = await ThrowAwayCa.create();
  const port = await freePort();
  const issued = await ca.issue('giant.test', '*.giant.test');
  const giant = await startGiant({ folder, port, ...issued, canOmitMembers: false });
  const toml = '[rate_limits]\nenabled = false\n';
  const server = await startBeside({ ...rest, servers: 1, port, trusted: ca.cert, toml });
  try {
    const people: Person[] = [];
    for (let i = 0; i < locals; i++) people.push(await Person.register(server.port, `user${i}`));
    const [first, ...others] = people as [Person, ...Person[]];
    await first.call('POST', `/_matrix/client/v3/join/${encodeURIComponent(about.roomId)}?via=giant.test`, {});
    await allMembers(first, about.roomId, about.members + 1);
    for (const person of others) await person.join(about.roomId);
    // What a join leaves to be done, and the first messages, belong to the join.
    await new Promise((done) => setTimeout(done, 15_000));
    await chat(server, people, about.roomId, { senders: 1, messages: Math.ceil(messages / 5) });
    const figures = await chat(server, people, about.roomId, { senders: 1, messages });
    for (const person of people) person.close();
    await server.stop();
    return figures;
  } finally {
    giant.kill();
    await server.remove();
  }
}

async function allMembers(person: Person, room: string, wanted: number): Promise<void> {
  const end = performance.now() + longest;
  while (performance.now() < end) {
    const summary = await person.call('GET', `/_matrix/client/v1/room_summary/${encodeURIComponent(room)}`);
    if (summary['num_joined_members'] === wanted) return;
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error(`the room does not get its ${wanted} members`);
}
