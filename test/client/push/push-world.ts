import { World } from '../../support/servers/world.ts';
import { GatewayStub } from '../../support/stubs/gateway-stub.ts';

/** A user of the API with an access token. */
export interface User {
  readonly token: string;
  readonly userId: string;
}

/** Alice talks to bob in a room; what notifies bob goes to a gateway over real HTTP. */
export class PushWorld implements AsyncDisposable {
  readonly world: World;
  readonly gateway: GatewayStub;
  readonly alice: User;
  readonly bob: User;
  readonly room: string;
  #txn = 0;

  private constructor(world: World, gateway: GatewayStub, alice: User, bob: User, room: string) {
    this.world = world;
    this.gateway = gateway;
    this.alice = alice;
    this.bob = bob;
    this.room = room;
  }

  static async open(options: { readonly name?: string } = {}): Promise<PushWorld> {
    const gateway = await GatewayStub.open();
    const world = await World.open({ network: { allow_ip_ranges: ['127.0.0.0/8'] } });
    const user = async (name: string) => ({ token: await world.register(name), userId: `@${name}:localhost` });
    const [alice, bob] = [await user('alice'), await user('bob')];
    const profile = `/_matrix/client/v3/profile/${alice.userId}/displayname`;
    await world.ok('PUT', profile, alice.token, { displayname: 'Alice' });
    const { room_id: room } = await world.ok('POST', '/_matrix/client/v3/createRoom', alice.token, {
      preset: 'public_chat',
      ...options,
    });
    const path = `/_matrix/client/v3/join/${encodeURIComponent(room as string)}`;
    await world.ok('POST', path, bob.token, {});
    return new PushWorld(world, gateway, alice, bob, room as string);
  }

  /** A pusher as apps make it. */
  pusher(more: Record<string, unknown> = {}, data: Record<string, unknown> = {}): Record<string, unknown> {
    return {
      kind: 'http',
      app_id: 'org.example.app',
      pushkey: 'key',
      app_display_name: 'App',
      device_display_name: 'Phone',
      lang: 'en',
      data: { url: this.gateway.url, ...data },
      ...more,
    };
  }

  async setPusher(user: User, more: Record<string, unknown> = {}, data: Record<string, unknown> = {}): Promise<void> {
    await this.world.ok('POST', '/_matrix/client/v3/pushers/set', user.token, this.pusher(more, data));
  }

  async pushers(user: User): Promise<Record<string, unknown>[]> {
    const { pushers } = await this.world.ok('GET', '/_matrix/client/v3/pushers', user.token);
    return pushers as Record<string, unknown>[];
  }

  say(user: User, body: string, more: Record<string, unknown> = {}): Promise<string> {
    return this.send(user, 'm.room.message', { msgtype: 'm.text', body, ...more });
  }

  async send(user: User, type: string, content: Record<string, unknown>): Promise<string> {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(this.room)}/send/${type}/t${this.#txn++}`;
    const { event_id: eventId } = await this.world.ok('PUT', path, user.token, content);
    return eventId as string;
  }

  async read(user: User, eventId: string): Promise<void> {
    const [room, event] = [this.room, eventId].map(encodeURIComponent);
    await this.world.ok('POST', `/_matrix/client/v3/rooms/${room}/receipt/m.read/${event}`, user.token, {});
  }

  /** Resolves when no pusher has anything to do; those that wait after a failure count as done. */
  async quiet(): Promise<void> {
    while (this.world.hs.stores.pushers.ready(1).length > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await this.gateway[Symbol.asyncDispose]();
  }
}
