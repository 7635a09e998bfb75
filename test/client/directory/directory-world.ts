import type { Injected } from '../../support/clients/inject.ts';
import { World } from '../../support/servers/world.ts';

const v3 = '/_matrix/client/v3';

/** A server with people and the few calls that its tests make again and again. */
export class DirectoryWorld implements AsyncDisposable {
  readonly world: World;
  readonly tokens = new Map<string, string>();

  private constructor(world: World) {
    this.world = world;
  }

  static async open(
    names: readonly string[],
    settings: Readonly<Record<string, unknown>> = {},
  ): Promise<DirectoryWorld> {
    const made = new DirectoryWorld(await World.open(settings));
    for (const name of names) made.tokens.set(name, await made.world.register(name));
    return made;
  }

  token(who: string): string {
    const token = this.tokens.get(who);
    if (token === undefined) throw new Error(`there is no ${who}`);
    return token;
  }

  call(who: string | undefined, request: string, body?: unknown): Promise<Injected> {
    const [method = '', path = ''] = request.split(' ');
    const token = who === undefined ? undefined : this.token(who);
    return this.world.call(method, path.startsWith('/_matrix') ? path : v3 + path, { token, body });
  }

  async ok(who: string, request: string, body?: unknown): Promise<Injected['json']> {
    const answer = await this.call(who, request, body);
    if (answer.status !== 200) throw new Error(`${request} answered ${answer.status}: ${answer.text}`);
    return answer.json;
  }

  async room(who: string, options: Readonly<Record<string, unknown>> = {}): Promise<string> {
    return (await this.ok(who, 'POST /createRoom', options)).room_id as string;
  }

  join(who: string, room: string): Promise<unknown> {
    return this.ok(who, `POST /join/${encodeURIComponent(room)}`, {});
  }

  state(who: string, room: string, type: string, content: unknown, key = ''): Promise<unknown> {
    const path = `/rooms/${encodeURIComponent(room)}/state/${type}/${encodeURIComponent(key)}`;
    return this.ok(who, `PUT ${path}`, content);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]();
  }
}
