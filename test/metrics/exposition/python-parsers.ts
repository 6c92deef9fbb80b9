/** The parsers of Prometheus's Python library, as an independent reader of the text formats. */
import { spawnSync } from 'node:child_process';

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly unit: string;
  readonly samples: readonly (readonly [name: string, labels: Readonly<Record<string, string>>, value: string])[];
}

const SCRIPT = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families as plain
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
for line in sys.stdin:
    syntax, text = json.loads(line)
    parse = openmetrics if syntax == 'openmetrics' else plain
    try:
        answer = [{'name': f.name, 'type': f.type, 'help': f.documentation, 'unit': f.unit,
                   'samples': [[s.name, s.labels, repr(float(s.value))] for s in f.samples]} for f in parse(text)]
    except Exception as error:
        answer = repr(error)
    print(json.dumps(answer))
`;

/** Parses all of them in one process. @throws Error for the first one that is not valid */
export function parseWithPython(
  texts: readonly { readonly syntax: 'plain' | 'openmetrics'; readonly text: string }[],
): ParsedFamily[][] {
  const input = texts.map(({ syntax, text }) => `${JSON.stringify([syntax, text])}\n`).join('');
  const { stdout, stderr, status } = spawnSync('/usr/bin/python3', ['-c', SCRIPT], {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(stderr);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line, index) => {
      const answer = JSON.parse(line) as ParsedFamily[] | string;
      if (typeof answer === 'string') throw new Error(`${answer} in:\n${texts[index]?.text}`);
      return answer;
    });
}

/** Whether the installed version knows names in quotes, which came with Prometheus 3. */
export function readsQuotedNames(): boolean {
  try {
    const text = '{"a.b"} 1\n';
    const [plain, openmetrics] = parseWithPython([
      { syntax: 'plain', text },
      { syntax: 'openmetrics', text: `${text}# EOF\n` },
    ]);
    return plain?.[0]?.name === 'a.b' && openmetrics?.[0]?.name === 'a.b';
  } catch {
    return false;
  }
}
