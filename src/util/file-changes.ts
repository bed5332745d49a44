// Whether files have changed since they were looked at. It must not read them.
import { stat } from 'node:fs/promises';

/** Changes with every write and every rename over a file; of one that is not there, too. */
export async function fingerprint(paths: readonly string[]): Promise<string> {
  const looks = await Promise.all(
    paths.map((path) =>
      stat(path, { bigint: true }).then(
        ({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join(),
        () => 'missing',
      ),
    ),
  );
  return looks.join(' ');
}
