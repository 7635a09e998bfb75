import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeBase64 } from '../../../src/protocol/base64.ts';
import { canonicalJson } from '../../../src/protocol/canonical-json.ts';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { parseExactJson } from '../../../src/protocol/parse-json.ts';
import { nobleEd25519 } from '../../../src/protocol/signing/ed25519-noble.ts';
import { signableText, signaturesOf, signJson, verifyJson } from '../../../src/protocol/signing/json.ts';
import { formatKeyFile, KeyFileError, parseKeyFile } from '../../../src/protocol/signing/key-file.ts';
import { SigningKey, VerifyKey } from '../../../src/protocol/signing/keys.ts';
import {
  type FederationRequest,
  parseXMatrix,
  requestText,
  signRequest,
  signRequestText,
  verifyRequest,
} from '../../../src/protocol/signing/request.ts';
import { isSignedBy } from '../../../src/protocol/signing/signed-by.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { jsonObject } from '../arbitraries.ts';
import { readVectors } from '../vectors.ts';

interface SigningVectors {
  readonly seed_base64: string;
  readonly public_key_base64: string;
  readonly server_name: string;
  readonly key_id: string;
  readonly sign_json: readonly { readonly in: JsonObject; readonly out: JsonObject; readonly note: string }[];
  readonly verify_must_fail: readonly { readonly obj: JsonObject; readonly why: string }[];
  readonly sign_request: readonly {
    readonly method: string;
    readonly uri: string;
    readonly content: JsonObject | null;
    readonly signed_bytes: string;
    readonly authorization: string;
  }[];
  readonly parse_x_matrix_header: readonly {
    readonly h: string;
    readonly ok: { readonly destination?: string };
    readonly note: string;
  }[];
}

const vectors = readVectors<SigningVectors>('signing');
const domain = asServerName(vectors.server_name);
const keyId = asKeyId(vectors.key_id);
const key = new SigningKey(keyId, Buffer.from(vectors.seed_base64, 'base64'));
const publicKey = VerifyKey.from(key.publicKey) ?? assert.fail();

describe('signing JSON', () => {
  it('knows the public half of its key', () => {
    assert.equal(key.publicKeyBase64, vectors.public_key_base64);
    assert.deepEqual(VerifyKey.fromBase64(vectors.public_key_base64)?.bytes, key.publicKey);
    assert.throws(() => new SigningKey(keyId, Buffer.alloc(31)), RangeError);
  });

  for (const { in: object, out, note } of vectors.sign_json) {
    it(`adds a signature over all but signatures and unsigned: ${note}`, () => {
      const before = structuredClone(object);
      assert.deepEqual(signJson(object, domain, key), out);
      assert.deepEqual(object, before);
      assert.equal(verifyJson(out, domain, keyId, publicKey), true);
      const reference = new SigningKey(keyId, key.seed, nobleEd25519);
      assert.deepEqual(signJson(object, domain, reference), out);
    });
  }

  for (const { obj, why } of vectors.verify_must_fail) {
    it(`finds no valid signature: ${why}`, () => assert.equal(verifyJson(obj, domain, keyId, publicKey), false));
  }

  it('finds no valid signature in odd places', () => {
    const signed = signJson({ a: 1 }, domain, key);
    for (const signatures of [null, 'x', [], { domain: null }, { domain: [] }, { domain: { 'ed25519:1': 7 } }]) {
      assert.equal(verifyJson({ ...signed, signatures }, domain, keyId, publicKey), false);
      assert.deepEqual(signaturesOf({ ...signed, signatures }, domain), []);
    }
    assert.equal(verifyJson({ ...signed, a: 1.5 }, domain, keyId, publicKey), false);
    assert.deepEqual(signaturesOf(signed, asServerName('constructor')), []);
  });

  it('is verified, survives other signatures and unsigned, and breaks with any other change', () => {
    fc.assert(
      fc.property(jsonObject(), jsonObject(), (object, unsigned) => {
        const { signatures: _, ...bare } = object;
        const signed = signJson(bare, domain, key);
        const other = signJson({ ...signed, unsigned }, asServerName('other'), key);
        assert.equal(verifyJson(other, domain, keyId, publicKey), true);
        assert.equal(signableText(other), signableText(bare));
        assert.equal(verifyJson({ ...signed, 'one more key': 1 }, domain, keyId, publicKey), false);
      }),
      { seed: 9, numRuns: 40 },
    );
  });
});

describe('the proof in a third-party invite', () => {
  const proof = (signed: Record<string, unknown>) =>
    isSignedBy(key.publicKeyBase64, encodeBase64(key.sign(signableText(signed, 'lenient'))), signed);

  it('may hold numbers that only room versions 1 to 5 know', () => {
    assert.equal(proof({ mxid: '@a:b', token: 't', share: 1.5, large: 2 ** 60 }), true);
  });

  it('without a canonical form proves nothing', () => {
    const signature = encodeBase64(key.sign('{}'));
    assert.equal(isSignedBy(key.publicKeyBase64, signature, { token: '\ud800' }), false);
    assert.equal(isSignedBy('no key', signature, {}), false);
  });
});

describe('a request between servers', () => {
  const destination = asServerName('other.example');

  for (const { method, uri, content, signed_bytes: text, authorization } of vectors.sign_request) {
    const request: FederationRequest = {
      method,
      uri,
      origin: domain,
      destination,
      ...(content === null ? {} : { content }),
    };
    it(`is signed: ${method} ${uri}`, () => {
      assert.equal(requestText(request), text);
      assert.equal(signRequest(request, key), authorization);
      const body = content === null ? undefined : canonicalJson(content, 'lenient');
      assert.equal(signRequestText(request, body, key), authorization);
    });

    it(`is verified, and no other request is: ${method} ${uri}`, () => {
      const header = parseXMatrix(authorization) ?? assert.fail();
      assert.equal(verifyRequest(request, header, publicKey), true);
      for (const changed of [{ method: 'POST' }, { uri: `${uri}?` }, { origin: destination }, { content: {} }]) {
        assert.equal(verifyRequest({ ...request, ...changed }, header, publicKey), false);
      }
      assert.equal(verifyRequest({ ...request, content: '\ud800' }, header, publicKey), false);
    });
  }

  it('may carry events of old room versions: their numbers are signed as they were written', () => {
    const content = parseExactJson('{"pdus":[{"b":1.0,"a":12345678901234567890}]}');
    const request: FederationRequest = { method: 'PUT', uri: '/x', origin: domain, destination, content };
    assert.match(requestText(request), /\{"a":12345678901234567890,"b":1\.0\}/);
    const header = parseXMatrix(signRequest(request, key)) ?? assert.fail();
    assert.equal(verifyRequest(request, header, publicKey), true);
  });

  for (const { h, ok, note } of vectors.parse_x_matrix_header) {
    it(`has a header like ${h} (${note})`, () => {
      assert.deepEqual(parseXMatrix(h), { destination: undefined, ...ok });
    });
  }

  for (const header of [
    '',
    'X-Matrix',
    'X-Matrix ',
    'Bearer abc',
    'X-Matrixorigin="a",key="ed25519:k",sig="A"',
    'X-Matrix key="ed25519:k",sig="A"',
    'X-Matrix origin="a",sig="A"',
    'X-Matrix origin="a",key="ed25519:k"',
    'X-Matrix origin="a_b",key="ed25519:k",sig="A"',
    'X-Matrix origin="a",destination="a b",key="ed25519:k",sig="A"',
    'X-Matrix origin="a",key="k",sig="A"',
    'X-Matrix origin="a" key="ed25519:k",sig="A"',
    'X-Matrix origin="a,key="ed25519:k",sig="A"',
    'X-Matrix origin="a",key="ed25519:k",sig="A',
    'X-Matrix origin=a b,key="ed25519:k",sig="A"',
    `X-Matrix origin="a",key="ed25519:k",sig="${'A'.repeat(5000)}"`,
  ]) {
    it(`has no header like ${header.slice(0, 80)}`, () => assert.equal(parseXMatrix(header), undefined));
  }

  it('names its scheme in any case, and a trailing comma does no harm', () => {
    assert.equal(parseXMatrix('x-matrix origin=a.example,key=ed25519:k,sig="A",')?.origin, 'a.example');
  });
});

describe('a key file', () => {
  const line = 'ed25519 a_AbCd YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1';

  it('is read as other homeservers write it', () => {
    for (const text of [line, `${line}\n`, `${line}\r\n`, `# mine\n\n  ${line}  \n`, `${line}=\n`]) {
      const keys = parseKeyFile(text);
      assert.deepEqual(
        keys.map((each) => [each.keyId, each.publicKeyBase64]),
        [['ed25519:a_AbCd', vectors.public_key_base64]],
      );
    }
    assert.equal(parseKeyFile(`${line}\n${line.replace('a_AbCd', 'old')}`)[1]?.keyId, 'ed25519:old');
  });

  it('is written so that it reads back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        const text = formatKeyFile(new SigningKey(asKeyId('ed25519:a_1'), seed));
        assert.match(text, /^ed25519 a_1 [A-Za-z0-9+/]{43}\n$/);
        assert.deepEqual(parseKeyFile(text)[0]?.seed, Buffer.from(seed));
      }),
      { seed: 10, numRuns: 20 },
    );
  });

  for (const [text, message] of [
    ['', /line 1: the file holds no key/],
    ['# nothing\n', /no key/],
    ['\ned25519 a_AbCd', /line 2: expected three words/],
    [`${line} x`, /three words/],
    [line.replace('ed25519', 'rsa'), /the only known algorithm/],
    [line.replace('a_AbCd', 'a-b'), /a version is made of/],
    [line.slice(0, -4), /32 bytes/],
    [line.replace('YJ', '**'), /32 bytes/],
  ] as const) {
    it(`is refused without its secret being told: ${JSON.stringify(text.slice(0, 24))}`, () => {
      assert.throws(
        () => parseKeyFile(text),
        (error) => error instanceof KeyFileError && message.test(error.message) && !error.message.includes('DBA9X'),
      );
    });
  }
});
