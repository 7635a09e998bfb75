import { serverAddress } from '../protocol/ids/server-name.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import { type TextTest, wholeGlob } from '../protocol/push-rules/glob.ts';

export interface PolicySettings {
  readonly enabled: boolean;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/** Which servers are talked to, in both directions: `federation.enabled`, `allow` and `deny` of the configuration. */
export class FederationPolicy {
  readonly #enabled: boolean;
  readonly #own: ServerName;
  #allow: TextTest | undefined;
  #deny: TextTest;

  constructor(settings: PolicySettings, own: ServerName) {
    this.#enabled = settings.enabled;
    this.#own = own;
    this.#allow = listOf(settings.allow);
    this.#deny = anyOf(settings.deny);
  }

  /** From now on these lists count. Whether other servers are talked to at all stays as it is. */
  use({ allow, deny }: Pick<PolicySettings, 'allow' | 'deny'>): void {
    this.#allow = listOf(allow);
    this.#deny = anyOf(deny);
  }

  /** Never ourselves. A pattern counts for a name with and without its port; case does not count, as in DNS. */
  mayTalkTo(server: ServerName): boolean {
    if (!this.#enabled || server === this.#own) return false;
    const name = server.toLowerCase();
    const { host, kind } = serverAddress(server);
    const bare = (kind === 'ipv6' ? `[${host}]` : host).toLowerCase();
    const matches = (test: TextTest) => test(name) || test(bare);
    return !matches(this.#deny) && (this.#allow === undefined || matches(this.#allow));
  }
}

function listOf(patterns: readonly string[]): TextTest | undefined {
  return patterns.length === 0 ? undefined : anyOf(patterns);
}

function anyOf(patterns: readonly string[]): TextTest {
  const names = new Set<string>();
  const tests: TextTest[] = [];
  for (const pattern of patterns.map((text) => text.toLowerCase())) {
    if (/[*?]/.test(pattern)) tests.push(wholeGlob(pattern));
    else names.add(pattern);
  }
  return (name) => names.has(name) || tests.some((test) => test(name));
}
