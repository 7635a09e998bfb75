import { badJson, invalidParam } from '../../protocol/errors.ts';
import { LEVEL_FIELDS } from '../../protocol/event-auth/power-levels.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import { defaultJsonLimits, nestsDeeper } from '../../protocol/parse-json.ts';
import { serverAclAllows } from '../../protocol/server-acl.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';
import type { EventDraft } from './draft.ts';

/**
 * Levels of JSON that content may have. It is read again inside of an event, and by other servers inside of a list of
 * events: what fills the limit on its own could be stored, but not read.
 */
const maxContentDepth = defaultJsonLimits.maxDepth - 3;

/**
 * Refuses what our own users may not put into an event although the room version would let it pass. Sizes, numbers
 * and canonical form are looked at when the event is built. Throws 400 M_BAD_JSON, M_INVALID_PARAM.
 */
export function checkDraft(draft: EventDraft, serverName: ServerName): void {
  if (draft.type === '') throw badJson('The event type is empty');
  if (nestsDeeper(draft.content, maxContentDepth)) throw badJson('The content is nested too deeply');
  if (draft.stateKey === undefined) return;
  if (draft.type === 'm.room.server_acl' && draft.stateKey === '' && !serverAclAllows(draft.content, serverName)) {
    throw invalidParam('This would shut out this server itself');
  }
  if (draft.type === 'm.room.power_levels') checkPowerLevelContent(draft.content);
  if (draft.type === 'm.room.member' && typeof draft.content['membership'] !== 'string') {
    throw badJson('membership must be a string');
  }
}

/**
 * Room versions 1 to 9 take levels written as strings from others; our own users write integers.
 * Throws 400 M_BAD_JSON.
 */
export function checkPowerLevelContent(content: JsonObject): void {
  for (const field of LEVEL_FIELDS) checkLevel(field, content[field]);
  for (const field of ['events', 'notifications', 'users'] as const) {
    const levels = content[field];
    if (levels === undefined) continue;
    if (!isJsonObject(levels)) throw badJson(`${field} must be an object`);
    for (const [key, level] of Object.entries(levels)) checkLevel(`${field}.${key}`, level);
  }
}

function checkLevel(name: string, level: JsonValue | undefined): void {
  if (level !== undefined && !Number.isSafeInteger(level)) throw badJson(`${name} must be an integer`);
}
