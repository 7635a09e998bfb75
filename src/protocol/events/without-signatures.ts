import type { JsonObject } from '../../util/json.ts';
import { canonicalJson } from '../canonical-json.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import type { Pdu } from './pdu.ts';
import { canonicalForm } from './texts.ts';

/** What an event says, whoever has signed it: equal for an event and the same event with one more signature. */
export function withoutSignatures(pdu: Pdu, rules: RoomVersionRules): string {
  const { signatures: _signatures, unsigned: _unsigned, ...rest } = pdu as JsonObject;
  return canonicalJson(rest, canonicalForm(rules));
}
