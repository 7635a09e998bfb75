import { Person } from '../../test/support/clients/person.ts';
import type { ServerProcess } from '../../test/support/servers/server-process.ts';
import { diskOf } from './disk.ts';

export interface SearchFigures {
  readonly indexBytesPerMessage: number;
  /** Median milliseconds of a search, by what is searched for. */
  readonly milliseconds: ReadonlyMap<string, number>;
}

const rooms = 10;
const vocabularySize = 20_000;
const syllables = 'ba ce di fo gu ka le mi no pu ra se ti vo zu sha bre kno lin tor'.split(' ');

/** The word of a rank: short ones first, all different. */
function word(rank: number): string {
  let text = '';
  for (let rest = rank + 1; rest > 0; rest = Math.floor(rest / syllables.length)) {
    text += syllables[rest % syllables.length];
  }
  return text;
}

/** Numbers in [0, 1) that look like chance and are the same in every run. */
function* chances(): Generator<number, never> {
  let state = 42;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Messages of 3 to 22 words, each word as often as its rank in a language lets expect. */
function* messages(): Generator<string, never> {
  const chance = chances();
  for (;;) {
    const length = 3 + Math.floor(chance.next().value * 20);
    const ranks = Array.from({ length }, () => Math.floor(vocabularySize ** chance.next().value) - 1);
    yield ranks.map(word).join(' ');
  }
}

/** Ten people fill ten rooms; then one of them searches. */
export async function searchBench(server: ServerProcess, count: number): Promise<SearchFigures> {
  const people: Person[] = [];
  for (let i = 0; i < rooms; i++) people.push(await Person.register(server.port, `user${i}`));
  const [first] = people as [Person];
  const ids: string[] = [];
  for (let i = 0; i < rooms; i++) ids.push(await first.createRoom({ preset: 'public_chat' }));
  for (const person of people.slice(1)) for (const id of ids) await person.join(id);
  const texts = messages();
  let left = count;
  const talk = async (person: Person): Promise<void> => {
    while (left-- > 0) await person.say(ids[left % rooms] as string, texts.next().value);
  };
  await Promise.all(people.map(talk));
  await first.say(ids[0] as string, 'the one needle in the hay');
  while ((await search(first, 'needle')).count !== 1) await new Promise((done) => setTimeout(done, 500));
  const terms: readonly [what: string, term: string, criteria: object][] = [
    ['a word of one message', 'needle', {}],
    ['a rare word', word(5000), {}],
    ['a common word, ranked', word(3), {}],
    ['a common word, newest', word(3), { order_by: 'recent' }],
    ['three words', `${word(2)} ${word(9)} ${word(30)}`, {}],
    ['a common word in one room', word(3), { filter: { rooms: [ids[0]] } }],
    ['a common beginning, with context', 'b', { order_by: 'recent', event_context: { include_profile: true } }],
    ['a word that nobody said', 'xylophone', {}],
  ];
  const milliseconds = new Map<string, number>();
  for (const [what, term, criteria] of terms) {
    const times: number[] = [];
    for (let i = 0; i < 15; i++) {
      const start = performance.now();
      await search(first, term, criteria);
      times.push(performance.now() - start);
    }
    milliseconds.set(what, times.sort((a, b) => a - b)[7] ?? 0);
  }
  let size = 0;
  for (const [name, bytes] of diskOf(server.dataDir).byTable) if (name.startsWith('message_text')) size += bytes;
  for (const person of people) person.close();
  return { indexBytesPerMessage: size / count, milliseconds };
}

async function search(person: Person, term: string, criteria: object = {}): Promise<{ count: number }> {
  const body = { search_categories: { room_events: { search_term: term, ...criteria } } };
  const answer = await person.call('POST', '/_matrix/client/v3/search', body);
  return (answer['search_categories'] as { room_events: { count: number } }).room_events;
}
