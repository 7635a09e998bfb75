import type { KeyId, ServerName } from '../../protocol/ids/types.ts';
import { tryParseJson } from '../../protocol/parse-json.ts';
import type { Millis } from '../../util/brand.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';
import type { KeyRing } from '../key-ring.ts';
import type { OwnKeys } from './own-keys.ts';

/** Which keys of a server somebody asks for. */
export interface KeyQuestion {
  readonly server: ServerName;
  /** None: whatever it signs with. */
  readonly keyIds: readonly KeyId[];
  /** Until when they should be valid. */
  readonly validUntil: Millis;
}

interface NotaryUses {
  readonly serverName: ServerName;
  readonly keyRing: KeyRing;
  readonly ownKeys: OwnKeys;
}

/**
 * Vouches for what other servers say about their keys.
 * @see https://spec.matrix.org/v1.19/server-server-api/#querying-keys-through-another-server
 */
export class Notary {
  readonly #uses: NotaryUses;

  constructor(uses: NotaryUses) {
    this.#uses = uses;
  }

  /** What the servers said themselves, with our signature beside theirs; those about which nothing is known are left out. */
  async answers(questions: readonly KeyQuestion[]): Promise<JsonObject[]> {
    const answers = await Promise.all(questions.map((question) => this.#answer(question)));
    return answers.filter((answer) => answer !== undefined);
  }

  async #answer({ server, keyIds, validUntil }: KeyQuestion): Promise<JsonObject | undefined> {
    const { serverName, keyRing, ownKeys } = this.#uses;
    if (server === serverName) return ownKeys.published();
    const kept = await keyRing.answerOf(server, keyIds, validUntil);
    const answer = kept === undefined ? undefined : tryParseJson(kept.answer);
    return isJsonObject(answer) ? ownKeys.vouchFor(answer) : undefined;
  }
}
