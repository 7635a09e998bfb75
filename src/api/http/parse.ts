import type { BaseIssue, GenericSchema, InferOutput } from 'valibot';
import { getDotPath, safeParse } from 'valibot';
import { badJson, invalidParam, type MatrixError, missingParam } from '../../protocol/errors.ts';

/** A value of the right type, but none of those that are possible. */
const choices = new Set(['picklist', 'literal', 'enum', 'variant']);

/**
 * Checks a value from outside and gives it its type. The first thing wrong decides the answer: 400 M_MISSING_PARAM for
 * a key that is absent, M_BAD_JSON for a wrong type, M_INVALID_PARAM for a wrong value, each with the key's path.
 */
export function parse<Schema extends GenericSchema>(schema: Schema, value: unknown): InferOutput<Schema> {
  const result = safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  throw toMatrixError(result.issues[0]);
}

function toMatrixError(issue: BaseIssue<unknown>): MatrixError {
  const path = getDotPath(issue) ?? '';
  const where = path === '' ? 'The request body' : path;
  if (issue.received === 'undefined') return missingParam(`Missing ${where}`);
  if (issue.kind === 'schema' && !(choices.has(issue.type) && typeof issue.input === 'string')) {
    // Of a check of our own valibot knows no more than what we call it.
    const wanted = issue.type === 'custom' ? issue.message : issue.expected;
    return badJson(wanted === null ? `${where} has a wrong type` : `${where} must be ${wanted}`);
  }
  const wanted = issue.expected === null ? '' : `: expected ${issue.expected}`;
  return invalidParam(`${where} has a value that cannot be used${wanted}`);
}
