import { invalidParam, MatrixError } from '../../protocol/errors.ts';
import { fitsBytes } from '../../protocol/ids/byte-length.ts';

/** Or a name with a namespace: the domains in those may have hyphens, and parts that begin with a digit. */
const fieldName = /^(?:avatar_url|displayname|[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+)$/;
const maxFieldBytes = 255;

/** The whole profile as JSON. */
export const maxProfileBytes = 64 * 1024;

/** Whether a field is copied into member events. */
export function isMemberField(field: string): field is 'displayname' | 'avatar_url' {
  return field === 'displayname' || field === 'avatar_url';
}

/**
 * Whether a profile can have a field of this name.
 * @see https://spec.matrix.org/v1.19/appendices/#common-namespaced-identifier-grammar
 */
export function isFieldName(field: string): boolean {
  return fieldName.test(field) && fitsBytes(field, maxFieldBytes);
}

/** 400 M_KEY_TOO_LARGE, M_INVALID_PARAM for what is no field's name. */
export function checkFieldName(field: string): void {
  if (!fitsBytes(field, maxFieldBytes)) {
    throw new MatrixError(400, 'M_KEY_TOO_LARGE', `A profile field's name may have at most ${maxFieldBytes} bytes`);
  }
  if (!fieldName.test(field)) throw invalidParam('This is not a name that a profile field can have');
}
