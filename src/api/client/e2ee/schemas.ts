import * as v from 'valibot';

/** Any JSON object. */
export const objectSchema = v.looseObject({});
