/** A report without the tests that passed: each failure in full as it happens, then node:test's closing summary. */
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

/** The form that `--test-reporter` asks for. */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const names: string[] = [];
  for await (const event of events) {
    if (event.type === 'test:start') {
      names[event.data.nesting] = event.data.name;
      names.length = event.data.nesting + 1;
    } else if (event.type === 'test:fail') {
      const { error } = event.data.details;
      // A suite fails with its tests, which have been reported themselves.
      if ('failureType' in error && error.failureType === 'subtestsFailed') continue;
      const name = [...names.slice(0, event.data.nesting), event.data.name].join(' › ');
      const place = `${event.data.file ?? ''}:${event.data.line ?? ''}`;
      yield `✖ ${name}\n  ${place}\n${indent(inspect(error.cause ?? error, { depth: 8 }))}\n\n`;
    } else if (event.type === 'test:stdout' || event.type === 'test:stderr') {
      yield event.data.message;
    } else if (event.type === 'test:diagnostic' && event.data.nesting === 0) {
      yield `ℹ ${event.data.message}\n`;
    }
  }
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}
