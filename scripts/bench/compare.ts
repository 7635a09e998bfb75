/**
 * `node --import ./build/text-imports.mjs scripts/bench/compare.ts ONE OTHER [rounds] [messages]`: what a message costs with two
 * executables. Both get the same load at the same moment, so that whatever else the machine does slows them both down: the
 * ratio holds where the figures do not.
 */
import { Person } from '../../test/support/clients/person.ts';
import { ServerProcess } from '../../test/support/servers/server-process.ts';
import { chat } from './chat.ts';

interface Side {
  readonly server: ServerProcess;
  readonly people: Person[];
  readonly room: string;
  /** CPU seconds for 1,000 messages, by the number of senders. */
  readonly costs: Map<number, number[]>;
}

const [one, other] = process.argv.slice(2, 4);
const [rounds = 10, messages = 200] = process.argv.slice(4).map(Number);
const senderCounts = [1, 10];

async function open(executable: string): Promise<Side> {
  const server = await ServerProcess.start({ executable });
  const people: Person[] = [];
  for (let i = 0; i < 10; i++) people.push(await Person.register(server.port, `user${i}`));
  const [first, ...others] = people as [Person, ...Person[]];
  const room = await first.createRoom({ preset: 'public_chat' });
  for (const person of others) await person.join(room);
  return { server, people, room, costs: new Map(senderCounts.map((count) => [count, []])) };
}

async function round({ server, people, room, costs }: Side, senders: number): Promise<void> {
  const figures = await chat(server, people, room, { senders, messages });
  costs.get(senders)?.push(figures.cpuSecondsPerThousand);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

if (one === undefined || other === undefined) throw new Error('two executables are compared');
const sides = [await open(one), await open(other)] as const;
// What is compiled and cached first.
for (let i = 0; i < 2; i++) await Promise.all(sides.map((side) => round(side, 10)));
for (const { costs } of sides) for (const list of costs.values()) list.length = 0;
for (let i = 0; i < rounds; i++) {
  for (const senders of senderCounts) await Promise.all(sides.map((side) => round(side, senders)));
}
for (const senders of senderCounts) {
  const [left = [], right = []] = sides.map(({ costs }) => costs.get(senders));
  const ratio = median(left.map((cost, i) => (right[i] ?? Number.NaN) / cost));
  console.log(
    `10 users, ${senders} sender(s): ${median(left).toFixed(2)} and ${median(right).toFixed(2)} CPU-s/1,000, ratio ${ratio.toFixed(2)}`,
  );
}
for (const { server, people } of sides) {
  for (const person of people) person.close();
  await server.stop();
  await server.remove();
}
