// Which authority is waited for: named until its first intermediate, without its address or words.
import { expect, it } from 'vitest';
import { generateKeyPair } from '../../../src/ca/x509.ts';
import { createAwaited } from '../../../src/cli/trust-awaited.ts';
import { AppError } from '../../../src/util/errors.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createRootsInMemory } from '../../support/roots-in-memory.ts';

it('names the authority, since when and by what code until it gave an intermediate', async () => {
  const clock = createFakeClock();
  const awaited = createAwaited(clock, 'vault');
  const roots = createRootsInMemory(clock);
  const provider = awaited.watch(roots);
  expect(awaited.words()).toEqual([]);
  roots.failure = new AppError('CH1873', 'no answer from https://vault.internal', { retryable: true });
  await expect(provider.open()).rejects.toMatchObject({ code: 'CH1873' });
  clock.advance(60_000);
  await expect(provider.open()).rejects.toMatchObject({ code: 'CH1873' });
  expect(awaited.words()).toEqual(['the authority (vault, since 2030-01-01T00:00:00Z, CH1873)']);
  roots.failure = undefined;
  await provider.open();
  await provider.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: 3_600_000 });
  expect(awaited.words()).toEqual([]);
  // Later failures leave what signs in use.
  roots.failure = new Error('away');
  await expect(provider.reload?.()).rejects.toThrow('away');
  expect(awaited.words()).toEqual([]);
});
