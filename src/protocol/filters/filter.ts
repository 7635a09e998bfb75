import type { JsonObject } from '../../util/json.ts';
import { badJson } from '../errors.ts';
import { EventFields } from './event-fields.ts';
import { EventFilter, RoomChoice, RoomEventFilter } from './event-filter.ts';
import { flag, object, strings } from './fields.ts';

/**
 * A filter as `/sync` and `POST /filter` take it.
 * @see https://spec.matrix.org/v1.19/client-server-api/#filtering
 */
export interface Filter {
  readonly eventFormat: 'client' | 'federation';
  /** What is told of the events of rooms; `undefined`: everything. */
  readonly eventFields: EventFields | undefined;
  readonly accountData: EventFilter;
  readonly presence: EventFilter;
  readonly room: {
    readonly rooms: RoomChoice;
    readonly includeLeave: boolean;
    readonly state: RoomEventFilter;
    readonly timeline: RoomEventFilter;
    readonly ephemeral: RoomEventFilter;
    readonly accountData: RoomEventFilter;
  };
}

/** Makes a filter ready. Unknown keys are ignored; a wrong type is 400 M_BAD_JSON that names the key. */
export function parseFilter(json: JsonObject): Filter {
  const format = json['event_format'] ?? 'client';
  if (format !== 'client' && format !== 'federation') throw badJson('event_format must be "client" or "federation"');
  const room = object(json, 'room', '');
  const section = (key: string) => new RoomEventFilter(object(room, key, 'room.'), `room.${key}.`);
  return {
    eventFormat: format,
    eventFields: EventFields.of(strings(json, 'event_fields', '')),
    accountData: new EventFilter(object(json, 'account_data', ''), 'account_data.'),
    presence: new EventFilter(object(json, 'presence', ''), 'presence.'),
    room: {
      rooms: new RoomChoice(room, 'room.'),
      includeLeave: flag(room, 'include_leave', 'room.') ?? false,
      state: section('state'),
      timeline: section('timeline'),
      ephemeral: section('ephemeral'),
      accountData: section('account_data'),
    },
  };
}

/** The filter that lets everything pass and has all defaults. */
export const openFilter: Filter = parseFilter({});
