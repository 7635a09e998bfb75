import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeBase64 } from '../../../src/protocol/base64.ts';
import { contentHash, eventIdOf } from '../../../src/protocol/events/hashes.ts';
import { redact } from '../../../src/protocol/events/redact.ts';
import { EventTexts } from '../../../src/protocol/events/texts.ts';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import { roomVersionRules, supportedRoomVersions } from '../../../src/protocol/room-versions.ts';
import { SigningKey } from '../../../src/protocol/signing/keys.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { jsonObject } from '../arbitraries.ts';
import { readVectors } from '../vectors.ts';

interface RedactionVectors {
  readonly cases: readonly {
    readonly case: string;
    readonly room_versions: readonly string[];
    readonly event: JsonObject;
    readonly redacted: JsonObject;
    readonly content_hash: string;
    readonly signature: string;
    readonly event_id?: Readonly<Record<string, string>>;
  }[];
}

const { cases } = readVectors<RedactionVectors>('redaction');
const { seed_base64: seed } = readVectors<{ seed_base64: string }>('signing');
const key = new SigningKey(asKeyId('ed25519:1'), Buffer.from(seed, 'base64'));

const rulesOf = (version: string) => roomVersionRules(version) ?? assert.fail(`room version ${version}`);

describe('redaction of an event', () => {
  for (const vector of cases) {
    for (const version of vector.room_versions) {
      it(`keeps exactly what room version ${version} says: ${vector.case}`, () => {
        const rules = rulesOf(version);
        assert.deepEqual(redact(vector.event, rules), vector.redacted);
        assert.equal(contentHash(vector.event, rules), vector.content_hash);
        const hashed = { ...vector.event, hashes: { sha256: vector.content_hash } };
        assert.equal(encodeBase64(key.sign(new EventTexts(hashed, rules).signed)), vector.signature);
        const eventIds = Object.entries(vector.event_id ?? {}).find(([versions]) =>
          versions.split(',').includes(version),
        );
        if (rules.eventIdFormat !== 'v1') assert.equal(eventIdOf(hashed, rules), eventIds?.[1]);
      });
    }
  }

  it('covers every room version', () => {
    assert.deepEqual(new Set(cases.flatMap((vector) => vector.room_versions)), new Set(supportedRoomVersions));
  });

  it('is idempotent and leaves the event alone', () => {
    const types = ['m.room.member', 'm.room.create', 'm.room.power_levels', 'm.room.aliases', 'm.room.redaction', 'x'];
    const event = fc
      .record({ type: fc.constantFrom(...types), content: jsonObject(), rest: jsonObject() })
      .map(({ type, content, rest }) => ({ ...rest, type, content }));
    fc.assert(
      fc.property(event, fc.constantFrom(...supportedRoomVersions), (original, version) => {
        const before = structuredClone(original);
        const once = redact(original, rulesOf(version));
        assert.deepEqual(redact(once, rulesOf(version)), once);
        assert.deepEqual(original, before);
      }),
      { seed: 3, numRuns: 200 },
    );
  });
});
