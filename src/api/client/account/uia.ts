import type { UiaPassed } from '../../../users/uia.ts';
import type { StageName } from '../../../users/uia-stages.ts';
import type { ApiRequest } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';

const byPassword: readonly (readonly StageName[])[] = [['m.login.password']];

/** Has the user confirm by password what `operation` (method and path) is about to do. */
export function confirmByPassword(
  { uia }: Pick<AccountServices, 'uia'>,
  operation: string,
  { body, requester, ip }: Pick<ApiRequest<'optional', 'json'>, 'body' | 'requester' | 'ip'>,
): Promise<UiaPassed> {
  return uia.authenticate({ operation, body, requester, ip, flows: byPassword });
}
