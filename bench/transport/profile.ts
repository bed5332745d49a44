// A CPU profile of the process it runs in, over a span of time, and its summary: the functions with most time of their own.
import { type Profiler, Session } from 'node:inspector/promises';

export interface Profile {
  /** Share of CPU time and function, most first; the idle program is left out. */
  readonly top: readonly { readonly percent: number; readonly what: string }[];
  readonly raw: Profiler.Profile;
}

/** Starts profiling; the result stops it. */
export async function startProfile(): Promise<() => Promise<Profile>> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 250 });
  await session.post('Profiler.start');
  return async () => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    return { top: summary(profile), raw: profile };
  };
}

function summary({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Profile['top'] {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      `${functionName || '(anonymous)'} ${url.replace(/^.*\/(src|node_modules)\//, '$1/')}:${lineNumber + 1}`,
    ]),
  );
  const spent = new Map<string, number>();
  let total = 0;
  samples.forEach((id, index) => {
    const what = names.get(id) ?? '';
    if (what.startsWith('(idle)')) return;
    const time = timeDeltas[index] ?? 0;
    total += time;
    spent.set(what, (spent.get(what) ?? 0) + time);
  });
  return [...spent]
    .sort(([, a], [, b]) => b - a)
    .slice(0, 40)
    .map(([what, time]) => ({ percent: Math.round((time / total) * 1000) / 10, what }));
}
