import { canonicalJson, canonicalKeys } from '../canonical-json.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import { type EventLike, redactContent } from './redact.ts';

/**
 * The canonical texts of one event: what is stored, hashed and signed. None holds `unsigned`, which may be anything:
 * other servers change it on the way. The three differ only in which members they
 * hold and in `content`, so every member is written once and the texts are put together from the pieces.
 */
export class EventTexts {
  readonly #rules: RoomVersionRules;
  readonly #keys: string[];
  /** `"key":value`, in the order of the keys. */
  readonly #members: string[] = [];
  readonly #redactedContent: string;

  /** Throws `CanonicalJsonError` if the event has no canonical form in its room version. */
  constructor(event: EventLike, rules: RoomVersionRules, form = canonicalForm(rules)) {
    this.#rules = rules;
    this.#keys = canonicalKeys(event).filter((key) => key !== 'unsigned');
    for (const key of this.#keys) this.#members.push(memberText(key, event[key], form));
    this.#redactedContent = memberText('content', redactContent(event['type'], event['content'], rules), form);
  }

  /** Adds or replaces a member, for `hashes` and `signatures`, which are made from the rest. */
  set(key: 'hashes' | 'signatures', value: unknown): void {
    let at = 0;
    while (at < this.#keys.length && (this.#keys[at] as string) < key) at++;
    const replaced = this.#keys[at] === key ? 1 : 0;
    this.#keys.splice(at, replaced, key);
    this.#members.splice(at, replaced, memberText(key, value, canonicalForm(this.#rules)));
  }

  /** The whole event but `unsigned`: what is stored, and what the limit of 65,536 bytes is about. */
  get full(): string {
    return this.#join(() => true);
  }

  /** What the content hash covers. */
  get hashed(): string {
    return this.#join((key) => key !== 'signatures' && key !== 'hashes');
  }

  /** What signatures and the reference hash cover: the redacted event without `signatures`. */
  get signed(): string {
    let text = '';
    for (let i = 0; i < this.#keys.length; i++) {
      const key = this.#keys[i] as string;
      if (key === 'signatures' || !this.#rules.redaction.topLevel.has(key)) continue;
      text += text === '' ? '{' : ',';
      text += key === 'content' ? this.#redactedContent : (this.#members[i] as string);
    }
    return text === '' ? '{}' : `${text}}`;
  }

  #join(holds: (key: string) => boolean): string {
    let text = '';
    for (let i = 0; i < this.#keys.length; i++) {
      if (!holds(this.#keys[i] as string)) continue;
      text += text === '' ? '{' : ',';
      text += this.#members[i] as string;
    }
    return text === '' ? '{}' : `${text}}`;
  }
}

function memberText(key: string, value: unknown, form: 'strict' | 'lenient'): string {
  return `${canonicalJson(key)}:${canonicalJson(value, form)}`;
}

/** Room versions 1 to 5 hold events with any number; later ones only what the strict form can write. */
export function canonicalForm(rules: RoomVersionRules): 'strict' | 'lenient' {
  return rules.strictCanonicalJson ? 'strict' : 'lenient';
}
