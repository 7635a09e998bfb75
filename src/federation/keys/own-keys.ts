import { encodeBase64 } from '../../protocol/base64.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import { signJson } from '../../protocol/signing/json.ts';
import type { SigningKey } from '../../protocol/signing/keys.ts';
import type { ServerKeyStore } from '../../store/server-keys.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject } from '../../util/json.ts';

interface OwnKeysUses {
  /** The key changes with a rotation. */
  readonly signer: { readonly serverName: ServerName; readonly key: SigningKey };
  readonly serverKeys: ServerKeyStore;
  readonly clock: Clock;
}

/** How long others may go without asking again: after a rotation by which time nobody takes the old key any more. */
const validity = 24 * 60 * 60 * 1000;

/** What this server says about its own keys, and what it signs of what others say about theirs. */
export class OwnKeys {
  readonly #uses: OwnKeysUses;

  constructor(uses: OwnKeysUses) {
    this.#uses = uses;
  }

  /**
   * The answer to whoever asks for our keys, signed.
   * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixkeyv2server
   */
  published(): JsonObject {
    const { signer, serverKeys, clock } = this.#uses;
    const { serverName, key } = signer;
    const old: JsonObject = {};
    for (const { keyId, publicKey, expired } of serverKeys.list()) {
      if (expired !== null) old[keyId] = { key: encodeBase64(publicKey), expired_ts: expired };
    }
    const answer: JsonObject = {
      server_name: serverName,
      valid_until_ts: clock.now() + validity,
      verify_keys: { [key.keyId]: { key: key.publicKeyBase64 } },
      old_verify_keys: old,
    };
    return signJson(answer, serverName, key);
  }

  /** The answer of another server with our signature beside its own. */
  vouchFor(answer: JsonObject): JsonObject {
    const { serverName, key } = this.#uses.signer;
    return signJson(answer, serverName, key);
  }
}
