import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fold, indexTokens } from '../../src/util/words.ts';

describe('words of a text', () => {
  const cases: [text: string, tokens: string[]][] = [
    ['', []],
    ['Hello, hello World_2!', ['hello', 'world', '2']],
    ['Straße MÜLLER', ['strasse', 'muller']],
    ['ΣΊΣΥΦΟΣ', ['σισυφοσ']],
    ['ｆｕｌｌ ﬁt', ['full', 'fit']],
    ['東京都', ['東京', '京都', '都']],
    ['ok東京ok', ['ok', '東京', '京']],
    ['สวัสดี', ['สว', 'วั', 'ัส', 'สด', 'ดี', 'ี']],
    ['안녕 세상', ['안녕', '세상']],
    ['हिन्दी', ['हिन्दी']],
    ['a'.repeat(50), ['a'.repeat(32)]],
  ];
  for (const [text, tokens] of cases) {
    it(`of ${JSON.stringify(text.slice(0, 20))}`, () => assert.deepEqual([...indexTokens(text)], tokens));
  }

  it('fold twice is fold once', () => {
    for (const [text] of cases) assert.equal(fold(fold(text)), fold(text));
  });
});
