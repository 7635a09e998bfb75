import type { CreateE2eeUses } from '../../../src/e2ee/create-e2ee.ts';

/** A server that is alone in the world. */
export const noFederation: CreateE2eeUses['federation'] = {
  client: {
    call: ({ server }) =>
      Promise.resolve({ ok: false, server, kind: 'not-allowed', retryable: false, detail: 'there is no federation' }),
  },
  reachability: { retryAt: () => undefined, failingSince: () => undefined, isDown: () => false, onUp() {} },
  policy: { mayTalkTo: () => false },
};
