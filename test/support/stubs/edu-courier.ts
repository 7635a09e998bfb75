import type { Edu } from '../../../src/federation/queue/edu-source.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { StreamPos } from '../../../src/store/nids.ts';
import type { World } from '../servers/world.ts';

/** What becomes of a transaction: `late` ones come when `arriveLate` says so, after others that were sent later. */
export type Fate = 'arrives' | 'twice' | 'late' | 'lost';

/** Carries what one server has for another about devices, by hand and position by position, as slowly as a test likes. */
export class EduCourier {
  readonly #from: World;
  readonly #to: World;
  readonly #names: { readonly from: string; readonly to: string };
  #cursor: StreamPos;
  #late: Edu[] = [];

  constructor(from: World, to: World, names: { readonly from: string; readonly to: string }) {
    this.#from = from;
    this.#to = to;
    this.#names = names;
    this.#cursor = from.hs.streams.now();
  }

  /** One transaction of at most `limit` units. Answers what was in it. */
  carry(limit = 100, fate: Fate = 'arrives'): Edu[] {
    const { hs } = this.#from;
    const now = hs.streams.now();
    const server = hs.stores.interning.findServer(this.#names.to);
    if (server === undefined || this.#cursor >= now) {
      this.#cursor = now;
      return [];
    }
    let upTo = now;
    const edus: Edu[] = [];
    for (const source of hs.services.e2ee.remote.sources) {
      const page = source.read(server, this.#cursor, upTo, limit);
      upTo = page.upTo;
      edus.push(...page.edus);
    }
    if (edus.length > 0 && upTo === now) this.#checkNamed(now);
    // The first source's units may be later than what the second could give.
    const pages = hs.services.e2ee.remote.sources.map((source) => source.read(server, this.#cursor, upTo, limit));
    const carried = pages.flatMap((page) => page.edus);
    if (fate === 'late') this.#late.push(...carried);
    if (fate === 'arrives' || fate === 'twice') this.#bring(carried);
    if (fate === 'twice') this.#bring(carried);
    hs.db.write<void>(() => {
      for (const source of hs.services.e2ee.remote.sources) source.delivered?.(server, upTo);
    });
    if (upTo <= this.#cursor) throw new Error('a source does not go on');
    this.#cursor = upTo;
    return carried;
  }

  /** What was held back arrives, the last first. */
  arriveLate(): void {
    this.#bring(this.#late.splice(0).reverse());
  }

  /** Carries until there is nothing left. */
  carryAll(limit = 100): Edu[] {
    const all: Edu[] = [];
    while (this.#cursor < this.#from.hs.streams.now()) all.push(...this.carry(limit));
    return all;
  }

  #bring(edus: readonly Edu[]): void {
    const origin = asServerName(this.#names.from);
    for (const { edu_type: type, content } of edus) {
      this.#to.hs.services.e2ee.remote.eduHandlers.get(type)?.(origin, JSON.parse(JSON.stringify(content)));
    }
  }

  #checkNamed(now: StreamPos): void {
    const { hs } = this.#from;
    const server = hs.stores.interning.findServer(this.#names.to);
    const named = hs.services.e2ee.remote.sources.flatMap((source) => source.servers(this.#cursor, now, 0, 100));
    if (server !== undefined && !named.includes(server))
      throw new Error('a source has something for a server it does not name');
  }
}
