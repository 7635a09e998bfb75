import type { AuthEvent } from '../../../src/protocol/event-auth/types.ts';
import type { RoomVersionRules } from '../../../src/protocol/room-versions.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../src/util/json.ts';
import type { Seeded } from '../seeded.ts';

export interface Draft {
  readonly type: string;
  readonly stateKey: string;
  readonly sender: string;
  readonly content: JsonObject;
}

type Lookup = (type: string, stateKey: string) => AuthEvent<string> | undefined;

const USERS = ['@a:s0', '@b:s1', '@c:s2', '@d:s3', '@e:s4', '@f:s0'] as const;
const LEVELS = [0, 10, 25, 50, 75, 100] as const;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-';

/** Events that people in a quarrelsome room try to send; many of them are not allowed. */
export class RandomDrafts {
  readonly #rules: RoomVersionRules;
  readonly #random: Seeded;
  #count = 0;

  constructor(rules: RoomVersionRules, random: Seeded) {
    this.#rules = rules;
    this.#random = random;
  }

  letters(count: number): string {
    return Array.from({ length: count }, () => ALPHABET[this.#random.below(ALPHABET.length)]).join('');
  }

  create(): Draft {
    const content: JsonObject = { room_version: this.#rules.version };
    if (!this.#rules.creatorFromSender) content['creator'] = USERS[0];
    if (this.#rules.privilegedCreators && this.#random.chance(0.3)) content['additional_creators'] = [USERS[5]];
    return { type: 'm.room.create', stateKey: '', sender: USERS[0], content };
  }

  beginning(): Draft[] {
    const [a, b, c] = USERS;
    const users: JsonObject = { [b]: 50, [c]: this.#random.pick([25, 50, 100]) };
    if (!this.#rules.privilegedCreators) users[a] = 100;
    const drafts: Draft[] = [{ type: 'm.room.member', stateKey: a, sender: a, content: { membership: 'join' } }];
    if (this.#random.chance(0.9)) {
      drafts.push({ type: 'm.room.power_levels', stateKey: '', sender: a, content: { users, invite: 0 } });
    }
    if (this.#random.chance(0.9)) {
      drafts.push({ type: 'm.room.join_rules', stateKey: '', sender: a, content: { join_rule: 'public' } });
    }
    return drafts;
  }

  next(state: Lookup): Draft {
    this.#count++;
    const sender = this.#random.pick(USERS);
    const spread = this.#random.below(100);
    if (spread < 25) return this.#own(sender);
    if (spread < 50) return this.#towards(sender, this.#random.pick(USERS));
    if (spread < 68) return this.#powerLevels(sender, state);
    if (spread < 80) return this.#joinRules(sender);
    if (spread < 84) {
      const content = { display_name: 'x', public_key: 'k', key_validity_url: 'https://s0/' };
      return { type: 'm.room.third_party_invite', stateKey: this.#token(), sender, content };
    }
    const type = this.#random.pick(['m.room.topic', 'm.room.name', 'm.room.server_acl']);
    return { type, stateKey: '', sender, content: { text: this.#count } };
  }

  /** A change of the sender's own membership. */
  #own(sender: string): Draft {
    const membership = this.#random.pick(['join', 'join', 'join', 'leave', 'knock']);
    const content: JsonObject = { membership, displayname: `n${this.#count}` };
    if (membership === 'join' && this.#rules.restricted && this.#random.chance(0.4)) {
      content['join_authorised_via_users_server'] = this.#random.pick(USERS);
    }
    return { type: 'm.room.member', stateKey: sender, sender, content };
  }

  #towards(sender: string, target: string): Draft {
    const membership = this.#random.pick(['invite', 'ban', 'ban', 'leave', 'leave']);
    const content: JsonObject = { membership };
    if (membership === 'invite' && this.#random.chance(0.2)) {
      const signed = { mxid: target, token: this.#token(), signatures: { s0: { 'ed25519:0': 'x' } } };
      content['third_party_invite'] = { display_name: 'x', signed };
    }
    return { type: 'm.room.member', stateKey: target, sender, content };
  }

  #powerLevels(sender: string, state: Lookup): Draft {
    const current = state('m.room.power_levels', '')?.content ?? {};
    const content: JsonObject = { ...current };
    const level = this.#level();
    if (this.#random.chance(0.7)) {
      content['users'] = this.#changed(content['users'], this.#random.pick(USERS), level);
    } else if (this.#random.chance(0.4)) {
      const type = this.#random.pick(['m.room.topic', 'm.room.power_levels', 'm.room.join_rules']);
      content['events'] = this.#changed(content['events'], type, level);
    } else {
      content[this.#random.pick(['users_default', 'state_default', 'ban', 'kick', 'invite'])] = level;
    }
    const stateKey = this.#random.chance(0.05) ? 'x' : '';
    return { type: 'm.room.power_levels', stateKey, sender, content };
  }

  #changed(map: JsonValue | undefined, key: string, level: JsonValue): JsonObject {
    const next = isJsonObject(map) ? { ...map } : {};
    if (this.#random.chance(0.2)) delete next[key];
    else next[key] = level;
    return next;
  }

  #level(): JsonValue {
    const level = this.#random.pick(LEVELS);
    if (this.#rules.integerPowerLevels || this.#random.chance(0.7)) return level;
    return this.#rules.strictCanonicalJson || this.#random.chance(0.5) ? ` +0${level} ` : level + 0.5;
  }

  #joinRules(sender: string): Draft {
    const join_rule = this.#random.pick(['public', 'public', 'invite', 'knock', 'restricted', 'knock_restricted']);
    // Rules under another state key mean nothing, but they are state.
    const stateKey = this.#random.chance(0.1) ? 'x' : '';
    return { type: 'm.room.join_rules', stateKey, sender, content: { join_rule } };
  }

  #token(): string {
    return `t${this.#random.below(2)}`;
  }
}
