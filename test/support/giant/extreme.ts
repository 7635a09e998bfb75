import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { questions, startBeside, startGiant } from '../../../scripts/bench/giant-process.ts';
import { openFiles, usageOf } from '../../../scripts/bench/process-tree.ts';
import { buildEvent } from '../../../src/protocol/events/build.ts';
import { asEventId } from '../../../src/protocol/ids/event-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { asUserId } from '../../../src/protocol/ids/user-id.ts';
import { signRequest } from '../../../src/protocol/signing/request.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { Person } from '../clients/person.ts';
import { rulesOf } from '../federation/scripted-server.ts';
import { MemoryCage } from '../servers/memory-cage.ts';
import { freePort, type ServerProcess } from '../servers/server-process.ts';
import { ThrowAwayCa } from '../throw-away-ca.ts';
import { type GiantAbout, type GiantShape, giantKey, giantRoom, giantServer, readGiant } from './giant-room.ts';

/** A room that is hard to be in. */
export interface Extreme extends GiantShape {
  /** Servers with a number from here on never answer. */
  readonly silentFrom?: number;
  /** Whether one of them vouches for the keys of the others; it does unless told otherwise. */
  readonly hasNotary?: boolean;
  /** Events that all follow the same one, sent once the room is joined: each is an end of the room. Half of them are state. */
  readonly forks?: number;
}

export interface ExtremeOptions {
  readonly executable?: string;
  readonly prefix?: readonly string[];
  /** More than that the server's processes may not take, page cache that cannot be given back included. */
  readonly limitMib: number;
  /** More TOML. */
  readonly toml?: string;
}

export interface ExtremeOutcome {
  /** What the join was answered. */
  readonly status: number;
  readonly answer: JsonObject;
  /** Seconds until then, and until all members were there. */
  readonly answered: number;
  readonly completed: number;
  /** Until all members were there. */
  readonly completeCpuSeconds: number;
  /** Joined members that the server knows of. */
  readonly members: number;
  /** CPU seconds for taking in the forks. */
  readonly forksCpuSeconds: number;
  /** Whether a message of theirs was seen, and ours was told them, and to how many servers within the time. */
  readonly seen: boolean;
  readonly serversTold: number;
  /** CPU seconds for one message each way. */
  readonly talkCpuSeconds: number;
  /** Prev_events of our first message. */
  readonly prevEvents: number;
  readonly peakRssMib: number;
  /** Files and sockets that were open at a time. */
  readonly peakFiles: number;
  /** Page cache included; `undefined` where the kernel does not tell. */
  readonly peakMib: number | undefined;
  /** Why the process ended before it should have. */
  readonly killed: boolean;
  readonly log: string;
}

const pdusInTransaction = 50;
/** Until all members are there, and until all servers that answer are told, milliseconds. */
const longest = 5 * 60_000;

/** One user joins the room in a process that may not take more memory than this; then a message goes each way. */
export async function goToExtremes(extreme: Extreme, options: ExtremeOptions): Promise<ExtremeOutcome> {
  const folder = giantRoom(extreme);
  const about = readGiant(folder);
  const ca = await ThrowAwayCa.create();
  const [port, federationPort] = [await freePort(), await freePort()];
  const issued = await ca.issue('giant.test', '*.giant.test');
  const { silentFrom, servers, hasNotary = true } = extreme;
  const silence = silentFrom === undefined ? {} : { silentFrom };
  const giant = await startGiant({ folder, port, ...issued, ...silence, canOmitMembers: false });
  const listen = `[[listen]]\naddress = "127.0.0.1"\nport = ${federationPort}\nserves = ["federation"]\n`;
  using cage = MemoryCage.make(options.limitMib);
  const prefix = [...(options.prefix ?? []), ...(cage?.prefix ?? [])];
  const toml = listen + (options.toml ?? '');
  const server = await startBeside({ ...options, servers, hasNotary, port, trusted: ca.cert, prefix, toml });
  const watch = new Watch(server, cage === undefined ? options.limitMib : Number.POSITIVE_INFINITY);
  const asked = questions(giant);
  try {
    const alice = await Person.register(server.port, 'alice');
    const visit = new Visit(about, { server, alice, federationPort, asked, silentFrom });
    const join = await visit.join();
    const stay = join.status === 200 ? await visit.stay(extreme.forks ?? 0) : noStay;
    alice.close();
    return {
      ...join,
      ...stay,
      ...watch.end(),
      peakMib: cage?.peakMib,
      killed: (cage?.kills ?? 0) > 0,
      log: server.log,
    };
  } catch (problem) {
    const { peakRssMib } = watch.end();
    const kills = cage?.kills ?? 0;
    throw new Error(`${kills} processes killed, peak RSS ${peakRssMib} MiB\n${server.log.slice(-5000)}`, {
      cause: problem,
    });
  } finally {
    watch.end();
    giant.kill();
    await server.remove();
  }
}

const noStay = {
  members: 0,
  completed: 0,
  completeCpuSeconds: 0,
  forksCpuSeconds: 0,
  seen: false,
  serversTold: 0,
  talkCpuSeconds: 0,
  prevEvents: 0,
};

interface VisitUses {
  readonly server: ServerProcess;
  readonly alice: Person;
  readonly federationPort: number;
  readonly asked: () => Promise<Record<string, number>>;
  readonly silentFrom: number | undefined;
}

class Visit {
  readonly #about: GiantAbout;
  readonly #uses: VisitUses;
  readonly #room: string;
  #transactions = 0;
  #start = 0;
  #cpuBefore = 0;

  constructor(about: GiantAbout, uses: VisitUses) {
    this.#about = about;
    this.#uses = uses;
    this.#room = encodeURIComponent(about.roomId);
  }

  async join(): Promise<{ status: number; answer: JsonObject; answered: number }> {
    const { server, alice } = this.#uses;
    this.#start = performance.now();
    this.#cpuBefore = this.#cpu();
    const response = await fetch(`${server.url}/_matrix/client/v3/join/${this.#room}?via=giant.test`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${alice.token}` },
      body: '{}',
    });
    const answer = (await response.json()) as JsonObject;
    const answered = (performance.now() - this.#start) / 1000;
    return { status: response.status, answer, answered };
  }

  async stay(
    forks: number,
  ): Promise<
    Omit<
      ExtremeOutcome,
      keyof Awaited<ReturnType<Visit['join']>> | 'peakRssMib' | 'peakFiles' | 'peakMib' | 'killed' | 'log'
    >
  > {
    const { alice } = this.#uses;
    const members = await this.#settledMembers();
    const completed = (performance.now() - this.#start) / 1000;
    const completeCpuSeconds = this.#cpu() - this.#cpuBefore;
    const { since } = await this.#news();
    let cpu = this.#cpu();
    await this.#fork(forks);
    const forksCpuSeconds = this.#cpu() - cpu;
    cpu = this.#cpu();
    const mine = await alice.say(this.#about.roomId, 'Is anybody there?');
    const theirs = await this.#theirMessage(mine);
    const seen = await this.#isSeen(theirs, since);
    const serversTold = await this.#told();
    const talkCpuSeconds = this.#cpu() - cpu;
    return {
      members,
      completed,
      completeCpuSeconds,
      forksCpuSeconds,
      seen,
      serversTold,
      talkCpuSeconds,
      prevEvents: await this.#cited(mine),
    };
  }

  /** All of them: they may come in while the room is used already. Those of silent servers cannot be known. */
  async #settledMembers(): Promise<number> {
    const { alice, silentFrom = Number.POSITIVE_INFINITY } = this.#uses;
    const { members, servers } = this.#about;
    let expected = 2;
    for (let index = 1; index < members; index++) if (index % servers < silentFrom) expected++;
    return this.#grown(expected, async () => (await alice.memberCount(this.#about.roomId)) ?? 0);
  }

  /** Asks until a number is what is expected, or for minutes. */
  async #grown(expected: number, ask: () => Promise<number>): Promise<number> {
    const end = performance.now() + longest;
    while (true) {
      const now = await ask();
      if (now >= expected || performance.now() > end) return now;
      await pause(250);
    }
  }

  async #news(since?: string): Promise<{ since: string; body: string }> {
    const filter = encodeURIComponent(JSON.stringify({ room: { state: { types: ['m.room.name'] } } }));
    const more = since === undefined ? '' : `&since=${since}`;
    const { status, body } = await this.#uses.alice.sync(`timeout=1000&filter=${filter}${more}`);
    if (status !== 200) throw new Error(`sync was answered ${status}: ${body}`);
    return { since: (JSON.parse(body) as { next_batch: string }).next_batch, body };
  }

  async #isSeen(eventId: string, from: string): Promise<boolean> {
    let since = from;
    for (let tries = 0; tries < 30; tries++) {
      const news = await this.#news(since);
      if (news.body.includes(eventId)) return true;
      since = news.since;
    }
    return false;
  }

  /** How many servers were told something: all that answer, within the time. */
  async #told(): Promise<number> {
    const { asked, silentFrom } = this.#uses;
    return this.#grown(silentFrom ?? this.#about.servers, async () => (await asked())['servers told'] ?? 0);
  }

  async #fork(count: number): Promise<void> {
    for (let at = 0; at < count; at += pdusInTransaction) {
      const size = Math.min(pdusInTransaction, count - at);
      await this.#send(Array.from({ length: size }, (_, index) => this.#event(this.#about.tip, at + index).pdu));
    }
  }

  /** How many prev_events an event has. */
  async #cited(eventId: string): Promise<number> {
    const uri = `/_matrix/federation/v1/event/${encodeURIComponent(eventId)}`;
    const origin = asServerName('giant.test');
    const signed = { method: 'GET', uri, origin, destination: asServerName('hearth.test') };
    const response = await fetch(`http://127.0.0.1:${this.#uses.federationPort}${uri}`, {
      headers: { Authorization: signRequest(signed, giantKey(origin)) },
    });
    const { pdus } = (await response.json()) as { pdus?: { prev_events: unknown[] }[] };
    return pdus?.[0]?.prev_events.length ?? Number.NaN;
  }

  async #theirMessage(after: string): Promise<EventId> {
    const { pdu, eventId } = this.#event(asEventId(after));
    await this.#send([pdu]);
    return eventId;
  }

  /** Every other of those with a number is a state event. */
  #event(after: EventId, index = 1) {
    const { rules, roomId, depth, version } = this.#about;
    const sender = asUserId('@creator:giant.test');
    const auth = ['m.room.create|', 'm.room.power_levels|', `m.room.member|${sender}`];
    const cited = (version === '12' ? auth.slice(1) : auth).map((key) => rules[key]).filter((id) => id !== undefined);
    const isState = index % 2 === 0;
    return buildEvent(
      {
        type: isState ? 'org.test.fork' : 'm.room.message',
        ...(isState ? { stateKey: String(index % 100) } : {}),
        sender,
        content: { msgtype: 'm.text', body: `Number ${index}` },
        roomId,
        prevEvents: [after],
        authEvents: cited,
        depth: depth + 10,
        originServerTs: Date.now(),
      },
      rulesOf(version),
      { serverName: giantServer(0), key: giantKey('giant.test') },
    );
  }

  async #send(pdus: readonly object[]): Promise<void> {
    const content = {
      origin: 'giant.test',
      origin_server_ts: Date.now(),
      pdus: pdus as readonly JsonObject[],
      edus: [],
    };
    const uri = `/_matrix/federation/v1/send/extreme${this.#transactions++}`;
    const origin = asServerName('giant.test');
    const signed = {
      method: 'PUT',
      uri,
      origin,
      destination: asServerName('hearth.test'),
      content: content as unknown as JsonObject,
    };
    const { federationPort } = this.#uses;
    for (let tries = 0; tries < 20; tries++) {
      const call = request({
        agent,
        host: '127.0.0.1',
        port: federationPort,
        method: 'PUT',
        path: uri,
        headers: { Authorization: signRequest(signed, giantKey(origin)), 'Content-Type': 'application/json' },
      });
      call.end(JSON.stringify(content));
      const [response] = (await once(call, 'response')) as [IncomingMessage];
      let text = '';
      for await (const piece of response.setEncoding('utf8')) text += piece as string;
      if (response.statusCode === 429) {
        await pause(1000);
        continue;
      }
      const { pdus: results = {} } = JSON.parse(text) as { pdus?: Record<string, { error?: string }> };
      const refused = Object.values(results).find(({ error }) => error !== undefined);
      if (response.statusCode !== 200 || refused !== undefined) throw new Error(`not taken: ${text}`);
      return;
    }
    throw new Error('the server is busy for ever');
  }

  #cpu(): number {
    return usageOf(this.#uses.server.pid).cpuSeconds;
  }
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

/** Looks at the process tree ten times a second, and kills it when it is above a limit that nobody else keeps. */
class Watch {
  readonly #timer: NodeJS.Timeout;
  #peakRssMib = 0;
  #peakFiles = 0;

  constructor(server: ServerProcess, limitMib: number) {
    this.#timer = setInterval(() => {
      const { rssMib } = usageOf(server.pid);
      this.#peakRssMib = Math.max(this.#peakRssMib, rssMib);
      this.#peakFiles = Math.max(this.#peakFiles, openFiles(server.pid));
      if (rssMib > limitMib) process.kill(server.pid, 'SIGKILL');
    }, 100);
  }

  end(): { readonly peakRssMib: number; readonly peakFiles: number } {
    clearInterval(this.#timer);
    return { peakRssMib: this.#peakRssMib, peakFiles: this.#peakFiles };
  }
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
