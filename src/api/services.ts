/** The domain services that endpoints are given; never stores. Each domain adds its own. */
// biome-ignore lint/suspicious/noEmptyInterface: filled by the domains
export interface Services {}
