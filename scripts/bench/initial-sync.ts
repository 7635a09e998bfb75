import { Person } from '../../test/support/clients/person.ts';
import type { ServerProcess } from '../../test/support/servers/server-process.ts';
import { usageOf } from './process-tree.ts';

export interface InitialSyncFigures {
  readonly milliseconds: number;
  readonly bytes: number;
  readonly incrementalMilliseconds: number;
  readonly rssMib: number;
  readonly anonymousMib: number;
}

/** A user in many rooms of two people, with five messages each, syncs from nothing; then one message is sent. */
export async function initialSync(server: ServerProcess, rooms: number): Promise<InitialSyncFigures> {
  const alice = await Person.register(server.port, 'alice');
  const bob = await Person.register(server.port, 'bob');
  let room = '';
  for (let i = 0; i < rooms; i++) {
    room = await bob.createRoom({ preset: 'public_chat', name: `Room ${i}`, topic: 'A room among many' });
    await alice.join(room);
    for (let m = 0; m < 5; m++) await bob.say(room, `Message ${m} of room ${i}`);
  }
  const times: number[] = [];
  let bytes = 0;
  let since = '';
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    const answer = await alice.sync('timeout=0');
    times.push(performance.now() - start);
    bytes = Buffer.byteLength(answer.body);
    since = (JSON.parse(answer.body) as { next_batch: string }).next_batch;
  }
  const incremental: number[] = [];
  for (let i = 0; i < 20; i++) {
    await bob.say(room, `One more, ${i}`);
    const start = performance.now();
    const answer = await alice.sync(`timeout=0&since=${since}`);
    incremental.push(performance.now() - start);
    since = (JSON.parse(answer.body) as { next_batch: string }).next_batch;
  }
  const usage = usageOf(server.pid);
  alice.close();
  bob.close();
  return {
    milliseconds: median(times),
    bytes,
    incrementalMilliseconds: median(incremental),
    rssMib: usage.rssMib,
    anonymousMib: usage.anonymousMib,
  };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
