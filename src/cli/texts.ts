// Object texts from a file, a directory (every .yaml, .yml and .json below it) or standard input.
// It parses nothing. Invariant: paths are as the user would type them.
import { AppError } from '../util/errors.ts';
import type { Io } from './io.ts';

export interface NamedText {
  readonly path: string;
  readonly text: string;
}

export async function readTexts(io: Io, path: string): Promise<readonly NamedText[]> {
  if (path === '-') return [{ path: 'stdin', text: await io.readStdin() }];
  const paths = io.isDirectory(path)
    ? io
        .listFiles(path)
        .filter((file) => /\.(ya?ml|json)$/.test(file))
        .map((file) => `${path.replace(/\/+$/, '')}/${file}`)
    : [path];
  if (paths.length === 0) throw new AppError('CH1608', `directory "${path}" holds no .yaml, .yml or .json file`);
  return paths.map((file) => {
    const text = io.readText(file);
    if (text === undefined) throw new AppError('CH1608', `"${file}" cannot be read`);
    return { path: file, text };
  });
}
