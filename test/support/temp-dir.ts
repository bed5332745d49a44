// Temporary folders that go away with what uses them.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TempDir extends Disposable {
  readonly path: string;
  remove(): void;
}

/** A fresh folder; `using` removes it. */
export function createTempDir(name: string): TempDir {
  const path = realpathSync(mkdtempSync(join(tmpdir(), `chancery-${name}-`)));
  const remove = (): void => rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  return { path, remove, [Symbol.dispose]: remove };
}
