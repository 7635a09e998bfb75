import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { aliasesOfRoom, createAlias, removeAlias, resolveAlias } from './aliases.ts';
import { ban, unban } from './ban.ts';
import { context } from './context.ts';
import { createRoom } from './create-room.ts';
import { getDirectoryVisibility, setDirectoryVisibility } from './directory.ts';
import { getEvent } from './event.ts';
import { invite } from './invite.ts';
import { join, joinById } from './join.ts';
import { joinedRooms } from './joined-rooms.ts';
import { kick } from './kick.ts';
import { knock } from './knock.ts';
import { forget, leave } from './leave.ts';
import { joinedMembers, members } from './members.ts';
import { messages } from './messages.ts';
import { redact } from './redact.ts';
import { relations, relationsOfKind, relationsOfKindAndType } from './relations.ts';
import { send } from './send.ts';
import { getState, getStateEvent, setState } from './state.ts';
import { threads } from './threads.ts';
import { timestampToEvent } from './timestamp-to-event.ts';
import { upgrade } from './upgrade.ts';

/** Every endpoint that makes, changes or reads rooms. */
export function roomEndpoints(services: Services): Endpoint[] {
  return [
    aliasesOfRoom,
    ban,
    context,
    createAlias,
    createRoom,
    forget,
    getDirectoryVisibility,
    getEvent,
    getState,
    getStateEvent,
    invite,
    join,
    joinById,
    joinedMembers,
    joinedRooms,
    kick,
    knock,
    leave,
    members,
    messages,
    redact,
    relations,
    relationsOfKind,
    relationsOfKindAndType,
    removeAlias,
    resolveAlias,
    send,
    setDirectoryVisibility,
    setState,
    threads,
    timestampToEvent,
    unban,
    upgrade,
  ].map((make) => make(services));
}
