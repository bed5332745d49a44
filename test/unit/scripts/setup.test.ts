import { describe, expect, it } from 'vitest';
import { fits } from '../../../scripts/setup.mjs';

describe('fits', () => {
  const locked = {
    '': { version: '0.1.0' },
    'node_modules/a': { version: '1.0.0' },
    'node_modules/b-win': { version: '2.0.0', optional: true },
  };

  it('takes what is locked, without the packages of other platforms', () => {
    expect(fits(locked, { 'node_modules/a': { version: '1.0.0' } })).toBe(true);
  });

  it('refuses a missing package and another version', () => {
    expect(fits(locked, {})).toBe(false);
    expect(fits(locked, { 'node_modules/a': { version: '1.0.1' } })).toBe(false);
    const other = { 'node_modules/a': { version: '1.0.0' }, 'node_modules/b-win': { version: '1.9.0' } };
    expect(fits(locked, other)).toBe(false);
  });
});
