import { describe, expect, it } from 'vitest';
import { withoutCredentials } from '../../../src/util/public-url.ts';

describe('a URL as it may be shown', () => {
  it.each([
    ['http://user:pa@ss@host:8500/path', 'http://host:8500/path'],
    ['user:pass@host:8500', 'host:8500'],
    ['no answer from https://u:p@a:1, http://b:2', 'no answer from https://a:1, http://b:2'],
    ['http://host:8500/a@b', 'http://host:8500/a@b'],
    ['127.0.0.1:8500', '127.0.0.1:8500'],
    ['/tmp/a@b.yaml', '/tmp/a@b.yaml'],
  ])('%s', (text, shown) => {
    expect(withoutCredentials(text)).toBe(shown);
  });
});
