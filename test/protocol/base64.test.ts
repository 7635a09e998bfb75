import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  decodeBase64,
  decodeBase64Lenient,
  encodeBase64,
  encodeBase64Url,
  sha256Base64,
} from '../../src/protocol/base64.ts';
import { sha1Hex, sha256 } from '../../src/util/hash.ts';

describe('unpadded base64', () => {
  // The examples of the specification's appendix.
  for (const [text, encoded] of [
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg'],
    ['fooba', 'Zm9vYmE'],
    ['foobar', 'Zm9vYmFy'],
  ] as const) {
    it(`writes ${JSON.stringify(text)} as ${JSON.stringify(encoded)}`, () => {
      assert.equal(encodeBase64(Buffer.from(text)), encoded);
      assert.equal(decodeBase64(encoded)?.toString(), text);
    });
  }

  it('is read strictly where the text itself is an identity', () => {
    for (const text of ['Zg==', 'Zh', 'Z', 'Zm 8', 'Zm8\n', '-_-_', 'Zm9vé'])
      assert.equal(decodeBase64(text), undefined);
    assert.deepEqual(decodeBase64('-_-_', 'url'), Buffer.from([0xfb, 0xff, 0xbf]));
    assert.equal(decodeBase64('+/+/', 'url'), undefined);
  });

  it('is read leniently where other software wrote it', () => {
    assert.equal(decodeBase64Lenient('Zg==')?.toString(), 'f');
    assert.equal(decodeBase64Lenient('Zh')?.toString(), 'f');
    for (const text of ['Z', 'Z===', 'Zm 8', '-_-_', '=Zg', 'Zg==Zg'])
      assert.equal(decodeBase64Lenient(text), undefined);
    assert.deepEqual(decodeBase64Lenient('-_-_', 'url'), Buffer.from([0xfb, 0xff, 0xbf]));
  });

  it('gives back what was written, in both alphabets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        assert.deepEqual(decodeBase64(encodeBase64(bytes)), Buffer.from(bytes));
        assert.deepEqual(decodeBase64(encodeBase64Url(bytes), 'url'), Buffer.from(bytes));
        assert.deepEqual(decodeBase64Lenient(encodeBase64(bytes)), Buffer.from(bytes));
      }),
      { seed: 6, numRuns: 200 },
    );
  });
});

describe('hashes', () => {
  it('are those of the standard', () => {
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    assert.equal(sha256('abc').toString('hex'), abc);
    assert.equal(sha256(Buffer.from('abc')).toString('hex'), abc);
    assert.equal(sha256Base64('abc'), encodeBase64(sha256('abc')));
    assert.equal(sha256Base64('é'), encodeBase64(sha256(Buffer.from('é'))));
    assert.equal(sha1Hex('abc'), 'a9993e364706816aba3e25717850c26c9cd0d89d');
  });
});
