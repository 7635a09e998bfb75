import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type Party, type StartOptions, startParty } from './guests.ts';
import { usageOf } from './process-tree.ts';

export interface FanOutOptions extends StartOptions {
  /** Other servers, all in one room. */
  readonly servers: number;
  readonly messages: number;
}

export interface FanOutFigures {
  /** Messages that all servers have, by the time from the first send to the last delivery. */
  readonly messagesPerSecond: number;
  readonly cpuSecondsPerThousandDeliveries: number;
  /** Events in a transaction, on average. */
  readonly eventsPerTransaction: number;
  readonly connections: number;
  readonly peakRssMib: number;
  readonly rssMib: number;
  readonly anonymousMib: number;
}

interface Seen {
  readonly events: number;
  readonly transactions: number;
  readonly connections: number;
}

/** One user talks in a room with users of very many other servers, which all run in one other process. */
export async function fanOut(options: FanOutOptions): Promise<FanOutFigures> {
  const party = await startParty(options.servers, options);
  try {
    // Those who are in already are told of each who comes in.
    await quiet(party.guests);
    const figures = await talk(party, options);
    party.alice.close();
    return figures;
  } finally {
    await party.end();
  }
}

async function talk(
  { alice, room, server, guests }: Party,
  { servers, messages }: FanOutOptions,
): Promise<FanOutFigures> {
  const before = { seen: await seenBy(guests), usage: usageOf(server.pid) };
  let peakRssMib = 0;
  const start = performance.now();
  for (let i = 0; i < messages; i++) {
    await alice.say(room, `This is message ${i}, which is of the usual length.`);
    if (i % 20 === 0) peakRssMib = Math.max(peakRssMib, usageOf(server.pid).rssMib);
  }
  const wanted = before.seen.events + messages * servers;
  let seen = await seenBy(guests);
  for (; seen.events < wanted; seen = await seenBy(guests)) {
    peakRssMib = Math.max(peakRssMib, usageOf(server.pid).rssMib);
    await pause(20);
  }
  const milliseconds = performance.now() - start;
  const after = usageOf(server.pid);
  const deliveries = seen.events - before.seen.events;
  return {
    messagesPerSecond: (messages * 1000) / milliseconds,
    cpuSecondsPerThousandDeliveries: ((after.cpuSeconds - before.usage.cpuSeconds) * 1000) / deliveries,
    eventsPerTransaction: deliveries / (seen.transactions - before.seen.transactions),
    connections: seen.connections,
    peakRssMib,
    rssMib: after.rssMib,
    anonymousMib: after.anonymousMib,
  };
}

async function seenBy(guests: ChildProcess): Promise<Seen> {
  const answer = once(guests, 'message');
  guests.send('count');
  return (await answer)[0] as Seen;
}

/** Resolves when nothing more arrives. */
async function quiet(guests: ChildProcess): Promise<void> {
  for (let last = -1; ; ) {
    const { transactions } = await seenBy(guests);
    if (transactions === last) return;
    last = transactions;
    await pause(2000);
  }
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
