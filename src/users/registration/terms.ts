import type { JsonObject } from '../../util/json.ts';

/** A document that people accept when they make an account; the same `id` in several languages is one document. */
export interface TermsDocument {
  readonly id: string;
  readonly version: string;
  readonly name: string;
  readonly url: string;
  readonly language: string;
}

/**
 * The documents as clients show them.
 * @see https://spec.matrix.org/v1.19/client-server-api/#terms-of-service-at-registration
 */
export function policiesOf(terms: readonly TermsDocument[]): JsonObject {
  const policies: Record<string, JsonObject> = {};
  for (const { id, version, name, url, language } of terms) {
    policies[id] = { ...policies[id], version, [language]: { name, url } };
  }
  return { policies };
}
