import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as errors from '../../src/protocol/errors.ts';

describe('a Matrix error', () => {
  const made: readonly [errors.MatrixError, number, object][] = [
    [errors.forbidden('no'), 403, { errcode: 'M_FORBIDDEN', error: 'no' }],
    [errors.notFound('no'), 404, { errcode: 'M_NOT_FOUND', error: 'no' }],
    [errors.badJson('no'), 400, { errcode: 'M_BAD_JSON', error: 'no' }],
    [errors.notJson('no'), 400, { errcode: 'M_NOT_JSON', error: 'no' }],
    [errors.missingParam('no'), 400, { errcode: 'M_MISSING_PARAM', error: 'no' }],
    [errors.invalidParam('no'), 400, { errcode: 'M_INVALID_PARAM', error: 'no' }],
    [errors.unrecognized(), 404, { errcode: 'M_UNRECOGNIZED', error: 'Unrecognized request' }],
    [errors.unrecognized(405, 'no'), 405, { errcode: 'M_UNRECOGNIZED', error: 'no' }],
    [errors.tooLarge('no'), 413, { errcode: 'M_TOO_LARGE', error: 'no' }],
    [errors.unauthorized('no'), 401, { errcode: 'M_UNAUTHORIZED', error: 'no' }],
    [errors.missingToken('no'), 401, { errcode: 'M_MISSING_TOKEN', error: 'no' }],
    [errors.unknownToken(true, 'no'), 401, { errcode: 'M_UNKNOWN_TOKEN', error: 'no', soft_logout: true }],
    [errors.limitExceeded(1500.2, 'no'), 429, { errcode: 'M_LIMIT_EXCEEDED', error: 'no', retry_after_ms: 1501 }],
    [
      errors.resourceLimitExceeded('no', 'mailto:a@b', { limit: 3 }),
      403,
      { errcode: 'M_RESOURCE_LIMIT_EXCEEDED', error: 'no', admin_contact: 'mailto:a@b', limit: 3 },
    ],
    [
      errors.unsupportedRoomVersion('x'),
      400,
      { errcode: 'M_UNSUPPORTED_ROOM_VERSION', error: 'Room version "x" is not supported' },
    ],
    [
      errors.incompatibleRoomVersion('11'),
      400,
      { errcode: 'M_INCOMPATIBLE_ROOM_VERSION', error: 'This room has version "11"', room_version: '11' },
    ],
  ];
  for (const [error, status, body] of made) {
    it(`answers ${error.errcode} with ${status}`, () => {
      assert.equal(error.status, status);
      assert.deepEqual(JSON.parse(JSON.stringify(error)), body);
    });
  }

  it('says in the header after how many whole seconds to try again', () => {
    for (const [wait, header] of [
      [0, '1'],
      [1, '1'],
      [1000, '1'],
      [1001, '2'],
      [-5, '1'],
    ] as const) {
      assert.equal(errors.limitExceeded(wait).headers['Retry-After'], header);
    }
  });

  it('keeps its cause for the log and out of the body', () => {
    const cause = new Error('secret');
    const error = errors.forbidden('no', { cause, fields: { extra: 1, errcode: 'M_OTHER' } });
    assert.equal(error.cause, cause);
    assert.deepEqual(error.toJSON(), { extra: 1, errcode: 'M_FORBIDDEN', error: 'no' });
  });
});
