import { type App, createApp } from '../../../src/api/app.ts';
import { roomEndpoints } from '../../../src/api/client/rooms/endpoints.ts';
import { StrangersTurns } from '../../../src/api/http/strangers-turns.ts';
import type { Services } from '../../../src/api/services.ts';
import type { RemoteCall, RemoteFailure } from '../../../src/federation/client.ts';
import { MatrixError } from '../../../src/protocol/errors.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { createBackfill } from '../../../src/rooms/backfill/create-backfill.ts';
import { EventVerifier } from '../../../src/rooms/receive/verify.ts';
import { silentLog } from '../../../src/util/log.ts';
import { openRoomWorld, type RoomWorld } from '../../rooms/room-world.ts';
import { type Injected, inject } from '../../support/clients/inject.ts';

/** The endpoints for rooms over a world of people, whose names are their access tokens. */
export interface RoomApp extends AsyncDisposable {
  readonly world: RoomWorld;
  readonly app: App;
  /** `call('alice', 'POST /createRoom', {})`; no name is no token. Paths are below `/_matrix/client/v3`. */
  call(name: string | undefined, request: string, body?: unknown): Promise<Injected>;
  /** The same; anything but 200 fails the test. */
  ok(name: string | undefined, request: string, body?: unknown): Promise<Injected>;
}

export function openRoomApp(): RoomApp {
  const world = openRoomWorld();
  const history = createBackfill({
    ...world.store,
    rooms: world.rooms,
    serverName: asServerName('localhost'),
    log: silentLog,
    client: { call: (call) => alone(call), stream: (call) => alone(call) },
    verifier: new EventVerifier({ ensure: async () => {}, key: () => undefined }),
  });
  const services = {
    rooms: world.rooms,
    admitMany: () => {},
    server: { serverName: asServerName('localhost') },
    strangers: new StrangersTurns(),
    ...history,
  };
  const app = createApp(roomEndpoints(services as unknown as Services), {
    gate: {
      authenticate(token) {
        if (token === 'expired') throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'expired');
        return world.person(token);
      },
    },
    log: silentLog,
    random: world.store.random,
  });
  const call: RoomApp['call'] = (name, request, body) => {
    const [method = 'GET', path = ''] = request.split(' ');
    const full = path.startsWith('/_matrix') ? path : `/_matrix/client/v3${path}`;
    return inject(app, { method, path: full, token: name, body });
  };
  return {
    world,
    app,
    call,
    async ok(name, request, body) {
      const answer = await call(name, request, body);
      if (answer.status !== 200) throw new Error(`${request} answered ${answer.status}: ${answer.text}`);
      return answer;
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

/** There are no other servers. */
async function alone({ server }: RemoteCall): Promise<RemoteFailure> {
  return { ok: false, server, kind: 'not-allowed', retryable: false, detail: 'nobody is there' };
}

/** A room of alice's that bob is in, and carol knows nothing of; `p` is its path. */
export async function aRoom(rooms: RoomApp, options: object = {}): Promise<{ id: string; p: string }> {
  for (const name of ['alice', 'bob', 'carol']) rooms.world.person(name);
  const { json } = await rooms.ok('alice', 'POST /createRoom', { preset: 'public_chat', ...options });
  const id = json.room_id as string;
  const p = `/rooms/${encodeURIComponent(id)}`;
  await rooms.ok('bob', `POST ${p}/join`, {});
  return { id, p };
}
