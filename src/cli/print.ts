// Values as JSON or YAML on stdout. Invariant: what is printed parses back to the value, by Envoy too, which reads YAML 1.1.
import { stringify } from 'yaml';

export function asText(value: unknown, format: 'json' | 'yaml'): string {
  if (format === 'json') return `${JSON.stringify(value, null, 2)}\n`;
  return stringify(JSON.parse(JSON.stringify(value)), {
    ...{ lineWidth: 0, aliasDuplicateObjects: false },
    compat: 'yaml-1.1',
  });
}
