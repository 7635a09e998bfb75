import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { verify as nobleVerify, Point } from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { type Ed25519, isAcceptablePublicKey, littleEndian } from '../../../src/protocol/signing/ed25519.ts';
import { nobleEd25519 } from '../../../src/protocol/signing/ed25519-noble.ts';
import { nodeEd25519 } from '../../../src/protocol/signing/ed25519-node.ts';
import { ed25519, VerifyKey } from '../../../src/protocol/signing/keys.ts';

const order = Point.CURVE().n;
const prime = Point.CURVE().p;
const implementations: readonly [string, Ed25519][] = [
  ['node:crypto', nodeEd25519],
  ['noble', nobleEd25519],
];

const hex = (text: string) => Buffer.from(text, 'hex');
const bytesOf = (number: bigint) => hex(number.toString(16).padStart(64, '0')).reverse();
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** RFC 8032, 7.1, tests 1 to 3 and "SHA(abc)": seed, public key, message, signature. */
const rfc8032 = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
] as const;

/** A point of order eight. */
const torsion = Point.fromBytes(
  Uint8Array.from(hex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')),
);

/** h = SHA-512(R ‖ A ‖ M) mod L */
function challenge(r: Uint8Array, key: Uint8Array, message: Uint8Array): bigint {
  return littleEndian(sha512(Buffer.concat([r, key, message]))) % order;
}

describe('Ed25519', () => {
  for (const [name, implementation] of implementations) {
    it(`of ${name} gives the signatures of RFC 8032`, () => {
      for (const [seed, key, message, signature] of rfc8032) {
        assert.equal(implementation.publicKeyOf(hex(seed)).toString('hex'), key);
        assert.equal(implementation.signer(hex(seed))(hex(message)).toString('hex'), signature);
        assert.equal(implementation.verifier(hex(key))?.(hex(message), hex(signature)), true);
      }
    });

    it(`of ${name} refuses S at or above the group order, and wrong lengths`, () => {
      const [, key, message, signature] = rfc8032[1];
      const verify = implementation.verifier(hex(key)) ?? assert.fail();
      const malleable = Buffer.concat([
        hex(signature).subarray(0, 32),
        bytesOf(littleEndian(hex(signature).subarray(32)) + order),
      ]);
      for (const bad of [malleable, hex(signature).subarray(1), Buffer.concat([hex(signature), hex('00')]), hex('')]) {
        assert.equal(verify(hex(message), bad), false);
      }
    });
  }

  it('is the one of the platform', () => assert.equal(ed25519, nodeEd25519));

  it('signs the same with both implementations, and each takes the signatures of the other', () => {
    fc.assert(
      fc.property(bytes32, fc.uint8Array({ maxLength: 100 }), fc.nat(63), (seed, message, at) => {
        const signature = nodeEd25519.signer(seed)(message);
        const key = nodeEd25519.publicKeyOf(seed);
        assert.deepEqual(nobleEd25519.signer(seed)(message), signature);
        assert.deepEqual(nobleEd25519.publicKeyOf(seed), key);
        const spoilt = Buffer.from(signature);
        spoilt[at] = (spoilt[at] ?? 0) ^ 1;
        for (const [, implementation] of implementations) {
          const verify = implementation.verifier(key) ?? assert.fail();
          assert.equal(verify(message, signature), true);
          assert.equal(verify(message, spoilt), false);
        }
      }),
      { seed: 7, numRuns: 15 },
    );
  });

  it('agrees on keys and signatures made of anything', () => {
    const someKey = fc.oneof(
      bytes32,
      bytes32.map((seed) => nodeEd25519.publicKeyOf(seed)),
    );
    fc.assert(
      fc.property(someKey, fc.uint8Array({ minLength: 64, maxLength: 64 }), (key, signature) => {
        const [node, noble] = implementations.map(([, each]) => VerifyKey.from(key, each));
        // node:crypto decodes the point only when it verifies; noble at once. Neither ever takes such a signature.
        assert.equal(node?.verify('message', signature) ?? false, noble?.verify('message', signature) ?? false);
      }),
      { seed: 8, numRuns: 60 },
    );
  });
});

describe('a public key', () => {
  const smallOrder = [0, 1, 2, 3, 4, 5, 6, 7].map((times) =>
    Buffer.from((times === 0 ? Point.ZERO : torsion.multiply(BigInt(times), false)).toBytes()),
  );

  it('of small order is refused: one signature would fit many messages', () => {
    assert.equal(new Set(smallOrder.map((key) => key.toString('hex'))).size, 8);
    for (const key of smallOrder) {
      assert.equal(Point.fromBytes(Uint8Array.from(key)).isSmallOrder(), true);
      assert.equal(isAcceptablePublicKey(key), false);
      for (const [, implementation] of implementations) assert.equal(VerifyKey.from(key, implementation), undefined);
    }
    // What would happen otherwise: under the neutral element, `S·B` is the right R for every message.
    const forged = Buffer.concat([Buffer.from(Point.BASE.multiply(5n).toBytes()), bytesOf(5n)]);
    const neutral = nobleEd25519.verifier(bytesOf(1n));
    for (const message of ['anything', 'goes']) assert.equal(neutral?.(Buffer.from(message), forged), true);
  });

  it('in another than its one encoding is refused', () => {
    const sign = 1n << 255n;
    const others = [prime, prime + 1n, prime + 3n, 2n ** 255n - 1n, 1n | sign, (prime - 1n) | sign, prime | sign];
    for (const y of others) assert.equal(isAcceptablePublicKey(bytesOf(y)), false);
  });

  it('of the wrong length, or in bad base64, is refused', () => {
    for (const length of [0, 31, 33, 64]) assert.equal(VerifyKey.from(Buffer.alloc(length, 7)), undefined);
    const [, key] = rfc8032[0];
    const text = hex(key).toString('base64');
    assert.deepEqual(VerifyKey.fromBase64(text)?.bytes, hex(key));
    assert.deepEqual(VerifyKey.fromBase64(text.replace('=', ''))?.bytes, hex(key));
    for (const bad of ['', text.slice(1), `${text}AA`, text.replace(/^./, '*')]) {
      assert.equal(VerifyKey.fromBase64(bad), undefined);
    }
  });
});

describe('a signature with a component of small order', () => {
  const [seed] = rfc8032[0];
  const message = Buffer.from('message');
  const digest = sha512(hex(seed));
  digest[0] = (digest[0] ?? 0) & 248;
  digest[31] = ((digest[31] ?? 0) & 127) | 64;
  const secret = littleEndian(digest.subarray(0, 32)) % order;

  /** A signature whose equation holds only up to a point of small order. */
  function crafted(publicPoint: Point, noncePoint: Point, nonce: bigint): { key: Buffer; signature: Buffer } {
    const key = Buffer.from(publicPoint.toBytes());
    const r = Buffer.from(noncePoint.toBytes());
    const s = (nonce + challenge(r, key, message) * secret) % order;
    return { key, signature: Buffer.concat([r, bytesOf(s)]) };
  }

  const own = Point.BASE.multiply(secret);
  const cases: readonly [string, Point, (nonce: bigint) => Point][] = [
    ['R', own, (nonce) => Point.BASE.multiply(nonce).add(torsion)],
    ['the key', own.add(torsion), (nonce) => Point.BASE.multiply(nonce)],
  ];
  for (const [where, publicPoint, noncePoint] of cases) {
    it(`in ${where} counts only if the equation holds without the cofactor, for every implementation alike`, () => {
      let refusedOnlyHere = 0;
      for (let nonce = 1n; nonce <= 12n; nonce++) {
        const { key, signature } = crafted(publicPoint, noncePoint(nonce), nonce);
        const verdicts = implementations.map(([, each]) => VerifyKey.from(key, each)?.verify(message, signature));
        assert.equal(verdicts[0], verdicts[1]);
        assert.notEqual(verdicts[0], undefined);
        const cofactored = nobleVerify(Uint8Array.from(signature), Uint8Array.from(message), Uint8Array.from(key));
        assert.equal(cofactored, true);
        if (verdicts[0] === false) refusedOnlyHere++;
      }
      assert.ok(refusedOnlyHere > 0);
    });
  }

  it('for an R is refused, in any encoding: versions of OpenSSL differ there', () => {
    const key = Buffer.from(own.toBytes());
    for (const encoding of [bytesOf(1n), bytesOf(prime + 1n), bytesOf(1n | (1n << 255n))]) {
      const signature = Buffer.concat([encoding, bytesOf((challenge(encoding, key, message) * secret) % order)]);
      for (const [, implementation] of implementations) {
        assert.equal(VerifyKey.from(key, implementation)?.verify(message, signature), false);
      }
    }
    const signature = Buffer.concat([bytesOf(1n), bytesOf((challenge(bytesOf(1n), key, message) * secret) % order)]);
    assert.equal(nobleEd25519.verifier(key)?.(message, signature), true);
  });
});
