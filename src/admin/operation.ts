import type * as v from 'valibot';
import type { AdminServices } from './services.ts';

export interface Operation<Input, Output> {
  readonly input: v.GenericSchema<unknown, Input>;
  /** Throws `AdminError` for what the admin should read, anything else is a bug. */
  run(services: AdminServices, input: Input): Output | Promise<Output>;
}

export function operation<Input, Output>(
  input: v.GenericSchema<unknown, Input>,
  run: (services: AdminServices, input: Input) => Output | Promise<Output>,
): Operation<Input, Output> {
  return { input, run };
}
