import { Search, type SearchUses } from './search.ts';
import { SearchIndex, type SearchIndexUses } from './search-index.ts';

export interface CreateSearchUses extends Omit<SearchUses, 'searchIndex'>, SearchIndexUses {
  readonly enabled: boolean;
}

export interface Searching {
  readonly search: Search | undefined;
  readonly searchIndex: SearchIndex | undefined;
}

/** Nothing if it is switched off; then what was indexed before goes, as redactions would not reach it. */
export function createSearch(uses: CreateSearchUses): Searching {
  const { db, messageText } = uses;
  if (!uses.enabled) {
    if (messageText.cursor > 0) db.write<void>(() => messageText.clear());
    return { search: undefined, searchIndex: undefined };
  }
  const searchIndex = new SearchIndex(uses);
  return { search: new Search({ ...uses, searchIndex }), searchIndex };
}
