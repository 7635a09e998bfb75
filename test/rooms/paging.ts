import { RoomEventFilter } from '../../src/protocol/filters/event-filter.ts';
import type { Requester } from '../../src/users/login/requester.ts';
import type { JsonObject } from '../../src/util/json.ts';
import type { RoomWorld } from './room-world.ts';

export interface Page {
  readonly start: string;
  readonly end?: string;
  readonly chunk: readonly JsonObject[];
  readonly state?: readonly JsonObject[];
}

export interface PageOptions {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly limit?: number;
  readonly filter?: JsonObject;
}

export function page(
  world: RoomWorld,
  reader: Requester,
  roomId: string,
  dir: 'b' | 'f',
  options: PageOptions = {},
): Page {
  const { filter = {}, ...rest } = options;
  const query = { ...rest, direction: dir, filter: new RoomEventFilter(filter, '') };
  return JSON.parse([...world.rooms.messages.messages(reader, roomId, query)].join('')) as Page;
}

/** Every event from one end of the history to the other. */
export function walk(
  world: RoomWorld,
  reader: Requester,
  roomId: string,
  dir: 'b' | 'f',
  options: PageOptions = {},
): JsonObject[] {
  const events: JsonObject[] = [];
  let from: string | undefined = options.from;
  do {
    const next: Page = page(world, reader, roomId, dir, { limit: 3, ...options, from });
    events.push(...next.chunk);
    from = next.end;
  } while (from !== undefined);
  return events;
}

/** The bodies of all messages. */
export function bodies(world: RoomWorld, reader: Requester, roomId: string, dir: 'b' | 'f'): string[] {
  return walk(world, reader, roomId, dir, { filter: { types: ['m.room.message'] } }).map(({ content }) => {
    const { body } = content as { body: string };
    return body;
  });
}
