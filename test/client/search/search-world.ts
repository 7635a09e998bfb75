import { World } from '../../support/servers/world.ts';

const v3 = '/_matrix/client/v3';

export interface Found {
  readonly count: number;
  readonly highlights: string[];
  readonly next_batch?: string;
  readonly groups?: Record<string, Record<string, { order: number; results: string[]; next_batch?: string }>>;
  readonly state?: Record<string, { type: string }[]>;
  readonly results: {
    readonly rank: number;
    // oxlint-disable-next-line typescript/no-explicit-any -- tests look into events of every form
    readonly result: any;
    // oxlint-disable-next-line typescript/no-explicit-any -- likewise
    readonly context?: any;
  }[];
}

/** A server with people who talk and search. */
export class SearchWorld implements AsyncDisposable {
  readonly world: World;
  readonly tokens = new Map<string, string>();
  #transaction = 0;

  private constructor(world: World) {
    this.world = world;
  }

  static async open(names: readonly string[]): Promise<SearchWorld> {
    const made = new SearchWorld(await World.open());
    for (const name of names) made.tokens.set(name, await made.world.register(name));
    return made;
  }

  token(who: string): string {
    const token = this.tokens.get(who);
    if (token === undefined) throw new Error(`there is no ${who}`);
    return token;
  }

  async room(who: string, options: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const body = { preset: 'public_chat', ...options };
    return (await this.world.ok('POST', `${v3}/createRoom`, this.token(who), body)).room_id as string;
  }

  act(who: string, room: string, action: string, body: object = {}): Promise<unknown> {
    return this.world.ok('POST', `${v3}/rooms/${encodeURIComponent(room)}/${action}`, this.token(who), body);
  }

  state(who: string, room: string, type: string, content: object): Promise<{ event_id: string }> {
    return this.world.ok('PUT', `${v3}/rooms/${encodeURIComponent(room)}/state/${type}/`, this.token(who), content);
  }

  async send(who: string, room: string, content: object, type = 'm.room.message'): Promise<string> {
    const path = `${v3}/rooms/${encodeURIComponent(room)}/send/${type}/t${this.#transaction++}`;
    this.world.clock.advance(1000);
    return (await this.world.ok('PUT', path, this.token(who), content)).event_id as string;
  }

  say(who: string, room: string, body: string): Promise<string> {
    return this.send(who, room, { msgtype: 'm.text', body });
  }

  edit(who: string, room: string, target: string, body: string): Promise<string> {
    const relation = { rel_type: 'm.replace', event_id: target };
    const replacement = { msgtype: 'm.text', body };
    return this.send(who, room, {
      ...replacement,
      body: `* ${body}`,
      'm.new_content': replacement,
      'm.relates_to': relation,
    });
  }

  redact(who: string, room: string, target: string): Promise<unknown> {
    const path = `${v3}/rooms/${encodeURIComponent(room)}/redact/${encodeURIComponent(target)}/t${this.#transaction++}`;
    return this.world.ok('PUT', path, this.token(who), {});
  }

  async search(who: string, term: string, criteria: object = {}, nextBatch?: string): Promise<Found> {
    const query = nextBatch === undefined ? '' : `?next_batch=${nextBatch}`;
    const body = { search_categories: { room_events: { search_term: term, ...criteria } } };
    return (await this.world.ok('POST', `${v3}/search${query}`, this.token(who), body)).search_categories.room_events;
  }

  /** The bodies, names and topics that are found. */
  async texts(who: string, term: string, criteria: object = {}): Promise<string[]> {
    const { results } = await this.search(who, term, { order_by: 'recent', ...criteria });
    return results.map(({ result: { content } }) => content.body ?? content.name ?? content.topic);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]();
  }
}
