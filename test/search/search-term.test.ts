import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SearchTerm } from '../../src/search/search-term.ts';
import { parsePlace, placeText } from '../../src/search/search-token.ts';
import { MessageTextStore } from '../../src/store/search/message-text.ts';
import { indexTokens } from '../../src/util/words.ts';
import { openTestStore } from '../support/store.ts';

const texts = fc.array(
  fc.constantFrom('fox', 'Füchse', 'über', '東京', '京都', '都', 'ชาว', ' ', ' ', '-', '7', '"', '*'),
  {
    maxLength: 12,
  },
);

describe('a search term', () => {
  it('never matches a text that the index would not give', async () => {
    await using store = openTestStore();
    const { db } = store;
    const messageText = new MessageTextStore(db);
    const room = 1 as Parameters<typeof messageText.put>[1];
    let nid = 0;
    fc.assert(
      fc.property(texts, texts, (said, asked) => {
        const [text, term] = [said.join(''), new SearchTerm(asked.join(''))];
        if (term.isEmpty || term.match(text) === undefined) return;
        const event = ++nid as Parameters<typeof messageText.put>[0];
        db.write<void>(() => messageText.put(event, room, 'body', indexTokens(text)));
        const found = messageText.find({ ...term.query, rooms: [room], kinds: ['body'] }, nid + 1, 1);
        assert.deepEqual(found, [event], JSON.stringify([text, asked]));
      }),
      { seed: 7, numRuns: 600 },
    );
    assert.ok(nid > 20, `only ${nid} texts matched`);
  });

  it('ranks whole words above beginnings, and words that stand together above others', () => {
    const rank = (term: string, text: string) => new SearchTerm(term).match(text)?.rank ?? 0;
    assert.ok(rank('cat', 'a cat') > rank('cat', 'a category'));
    assert.ok(rank('black cat', 'a black cat here') > rank('black cat', 'a cat here black'));
    assert.ok(rank('cat', 'cat') > rank('cat', 'a cat among many many other words'));
  });
});

describe('a search token', () => {
  it('comes back as it was', () => {
    for (const group of [undefined, { key: 'room_id', nid: 7 }, { key: 'sender', nid: 9 }] as const) {
      const place = { order: 'rank', before: Number.MAX_SAFE_INTEGER, skip: 10, counted: 500, group } as const;
      assert.deepEqual(parsePlace(placeText(place), 'rank'), place);
    }
  });
});
