import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dispositionOf, keptContentType, parseRange } from '../../src/media/serving.ts';
import { sizeFor } from '../../src/media/thumbnail-size.ts';

describe('Content-Type of an upload', () => {
  const kept: [string | undefined, string][] = [
    [undefined, 'application/octet-stream'],
    ['image/png', 'image/png'],
    ['text/plain; charset=utf-8', 'text/plain; charset=utf-8'],
    ['multipart/form-data; boundary="a b"', 'multipart/form-data; boundary="a b"'],
    ['nonsense', 'application/octet-stream'],
    ['text/html\r\nX-Evil: 1', 'application/octet-stream'],
    [`text/${'x'.repeat(300)}`, 'application/octet-stream'],
  ];
  for (const [given, expected] of kept) {
    it(`${JSON.stringify(given)?.slice(0, 40)} is kept as ${expected}`, () =>
      assert.equal(keptContentType(given), expected));
  }
});

describe('Content-Disposition', () => {
  const cases: [string, string | undefined, string][] = [
    ['image/png', undefined, 'inline'],
    ['image/png', 'cat.png', 'inline; filename=cat.png'],
    ['IMAGE/PNG; a=b', 'my cat.png', 'inline; filename="my cat.png"'],
    ['text/html', 'page.html', 'attachment; filename=page.html'],
    ['image/svg+xml', 'x.svg', 'attachment; filename=x.svg'],
    ['image/png', 'say "hi".png', 'inline; filename="say \\"hi\\".png"'],
    ['image/png', 'Straße (1).png', "inline; filename*=utf-8''Stra%C3%9Fe%20%281%29.png"],
    ['image/png', 'a\r\nb.png', "inline; filename*=utf-8''a%0D%0Ab.png"],
  ];
  for (const [type, name, expected] of cases) {
    it(`${type} named ${JSON.stringify(name)} is ${expected}`, () => assert.equal(dispositionOf(type, name), expected));
  }
});

describe('Range', () => {
  const cases: [string | undefined, ReturnType<typeof parseRange>][] = [
    [undefined, undefined],
    ['bytes=0-9', { from: 0, to: 10 }],
    ['bytes=90-', { from: 90, to: 100 }],
    ['bytes=-5', { from: 95, to: 100 }],
    ['bytes=-500', { from: 0, to: 100 }],
    ['bytes=50-500', { from: 50, to: 100 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=9-5', undefined],
    ['bytes=0-1,5-6', undefined],
    ['lines=0-1', undefined],
    ['bytes=-', undefined],
  ];
  for (const [header, expected] of cases) {
    it(`${header} of 100 bytes`, () => assert.deepEqual(parseRange(header, 100), expected));
  }
});

describe('thumbnail sizes', () => {
  const cases: [number, number, 'crop' | 'scale', [number, number] | undefined][] = [
    [32, 32, 'crop', [32, 32]],
    [33, 33, 'crop', [96, 96]],
    [200, 200, 'crop', [224, 224]],
    [300, 225, 'crop', [320, 240]],
    [64, 512, 'crop', [64, 512]],
    [32, 32, 'scale', [320, 240]],
    [320, 240, 'scale', [320, 240]],
    [321, 10, 'scale', [640, 480]],
    [800, 600, 'scale', [800, 600]],
    [801, 10, 'scale', undefined],
    [1000, 1000, 'crop', undefined],
  ];
  for (const [width, height, method, expected] of cases) {
    it(`${method} ${width}x${height} is made as ${expected?.join('x') ?? 'the original'}`, () => {
      const size = sizeFor({ width, height, method });
      assert.deepEqual(size === undefined ? undefined : [size.width, size.height], expected);
    });
  }
});
