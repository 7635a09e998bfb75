import type { KeyId, ServerName } from '../../protocol/ids/types.ts';
import { tryParseJson } from '../../protocol/parse-json.ts';
import type { RemoteKeyAnswer } from '../../store/federation/remote-keys.ts';
import type { Millis } from '../../util/brand.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';
import type { KeyRing } from '../key-ring.ts';
import { Lanes } from '../lanes.ts';
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

/** Servers that are asked at once: anybody may name any, and our own need of keys must find places. */
const askedAtOnce = 4;
/** Questions that wait; about what is beyond nothing is known. */
const longestQueue = 400;

/**
 * Vouches for what other servers say about their keys.
 * @see https://spec.matrix.org/v1.19/server-server-api/#querying-keys-through-another-server
 */
export class Notary {
  readonly #uses: NotaryUses;
  readonly #lanes = new Lanes<ServerName>(1, askedAtOnce, longestQueue);

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
    const kept = keyRing.keptAnswer(server, keyIds, validUntil) ?? (await this.#ask({ server, keyIds, validUntil }));
    const answer = kept === undefined ? undefined : tryParseJson(kept.answer);
    return isJsonObject(answer) ? ownKeys.vouchFor(answer) : undefined;
  }

  async #ask({ server, keyIds, validUntil }: KeyQuestion): Promise<RemoteKeyAnswer | undefined> {
    const leave = await this.#lanes.enter(server);
    try {
      return leave && (await this.#uses.keyRing.answerOf(server, keyIds, validUntil));
    } finally {
      leave?.();
    }
  }
}
