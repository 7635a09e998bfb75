/** Why an operation was refused. */
export type AdminErrorCode =
  | 'bad_input'
  | 'exists'
  | 'not_found'
  | 'deactivated'
  | 'refused'
  | 'busy'
  | 'stopping'
  | 'cannot_write'
  | 'damaged';

/** An operation that was refused, with a sentence for the admin. */
export class AdminError extends Error {
  readonly code: AdminErrorCode;

  constructor(code: AdminErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
