import { type WireAnswer, WireConnection } from './wire-client.ts';

/** An account on a running server, driven over real HTTP with two connections: one for /sync, one for the rest. */
export class Person {
  readonly name: string;
  readonly userId: string;
  readonly token: string;
  readonly deviceId: string;
  readonly #calls: WireConnection;
  readonly #syncs: WireConnection;
  #txn = 0;

  private constructor(port: number, name: string, session: { userId: string; token: string; deviceId: string }) {
    this.name = name;
    this.userId = session.userId;
    this.token = session.token;
    this.deviceId = session.deviceId;
    this.#calls = new WireConnection(port);
    this.#syncs = new WireConnection(port);
  }

  static async register(port: number, name: string): Promise<Person> {
    const connection = new WireConnection(port);
    const answer = await connection.request('POST', '/_matrix/client/v3/register', undefined, {
      username: name,
      password: `the password of ${name}`,
      auth: { type: 'm.login.dummy' },
    });
    connection.close();
    return Person.#of(port, name, answer);
  }

  /** One more device of somebody who was registered by the above. */
  static async login(port: number, name: string): Promise<Person> {
    const connection = new WireConnection(port);
    const answer = await connection.request('POST', '/_matrix/client/v3/login', undefined, {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: name },
      password: `the password of ${name}`,
    });
    connection.close();
    return Person.#of(port, name, answer);
  }

  static #of(port: number, name: string, answer: WireAnswer): Person {
    const { user_id, access_token, device_id } = expectOk(answer) as Record<string, string>;
    return new Person(port, name, { userId: user_id ?? '', token: access_token ?? '', deviceId: device_id ?? '' });
  }

  /** The same person at a server that was started again on another port. */
  at(port: number): Person {
    const moved = new Person(port, this.name, this);
    moved.#txn = this.#txn;
    return moved;
  }

  /** Sends the request; throws on anything but 200. */
  async call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    return expectOk(await this.#calls.request(method, path, this.token, body));
  }

  async createRoom(options: Record<string, unknown> = {}): Promise<string> {
    const { room_id } = await this.call('POST', '/_matrix/client/v3/createRoom', options);
    return room_id as string;
  }

  async join(room: string): Promise<void> {
    await this.call('POST', `/_matrix/client/v3/join/${encodeURIComponent(room)}`, {});
  }

  async say(room: string, body: string, more: Record<string, unknown> = {}): Promise<string> {
    const txn = `${this.name}-${this.#txn++}`;
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/${txn}`;
    const { event_id } = await this.call('PUT', path, { msgtype: 'm.text', body, ...more });
    return event_id as string;
  }

  /** How many are joined; `undefined` while that is not known, which may take minutes to say. */
  async memberCount(room: string): Promise<number | undefined> {
    const path = `/_matrix/client/v1/room_summary/${encodeURIComponent(room)}`;
    const answer = await this.#calls.request('GET', path, this.token);
    if (answer.status === 503) return undefined;
    return Number(expectOk(answer)['num_joined_members']);
  }

  /** One /sync; the raw answer text is kept unparsed where only its size counts. */
  sync(query: string): Promise<WireAnswer> {
    return this.#syncs.request('GET', `/_matrix/client/v3/sync?${query}`, this.token);
  }

  close(): void {
    this.#calls.close();
    this.#syncs.close();
  }
}

function expectOk(answer: WireAnswer): Record<string, unknown> {
  if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${answer.body}`);
  return JSON.parse(answer.body) as Record<string, unknown>;
}
