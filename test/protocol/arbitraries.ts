import fc from 'fast-check';
import type { JsonObject, JsonValue } from '../../src/util/json.ts';

/** Keys that matter in redaction, that break naive code, or that sort differently by code point and by UTF-16 unit. */
const keys = fc.oneof(
  fc.constantFrom('membership', 'creator', 'users', 'invite', 'signed', 'third_party_invite', 'redacts', 'aliases'),
  fc.constantFrom('__proto__', 'constructor', 'toJSON', '10', '9', '', '\u0000', '"', '\uffff', '\u{1f600}', 'é'),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
);

/** JSON that room versions 6 and later allow: integers in the safe range, no lone surrogates, no negative zero. */
export function jsonValue(): fc.Arbitrary<JsonValue> {
  return fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(null, true, false),
      fc.maxSafeInteger(),
      fc.string({ unit: 'grapheme' }),
      fc.array(tie('value'), { maxLength: 4 }),
      tie('object'),
    ),
    object: objectOf(tie('value')),
  })).value;
}

export function jsonObject(): fc.Arbitrary<JsonObject> {
  return objectOf(jsonValue());
}

function objectOf(value: fc.Arbitrary<JsonValue>): fc.Arbitrary<JsonObject> {
  // Through JSON, so that `__proto__` is an own key as it is in what comes off the wire.
  return fc
    .uniqueArray(fc.tuple(keys, value), { selector: ([key]) => key, maxLength: 5 })
    .map((entries): JsonObject => Object.fromEntries<JsonValue>(entries));
}
