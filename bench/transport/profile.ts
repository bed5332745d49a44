// A CPU profile of the process it runs in, over a span of time, and its summary: the functions with most time of their own.
import { type Profiler, Session } from 'node:inspector/promises';

export interface Profile {
  /** Share of CPU time and function, most first; the idle program is left out. */
  readonly top: readonly Share[];
  /** The same by whose code it is: native and kernel, collector, Node, packages, our folders. */
  readonly groups: readonly Share[];
  readonly raw: Profiler.Profile;
}

interface Share {
  readonly percent: number;
  readonly what: string;
}

/** Starts profiling; the result stops it. */
export async function startProfile(): Promise<() => Promise<Profile>> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 500 });
  await session.post('Profiler.start');
  return async () => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    const shown = (url: string): string =>
      url.replace(/^.*\/node_modules\//, '').replace(/^file:.*?\/(src|bench)\//, '$1/');
    return {
      top: shares(
        profile,
        ({ functionName, url, lineNumber }) => `${functionName || '(anonymous)'} ${shown(url)}:${lineNumber + 1}`,
      ),
      groups: shares(profile, ({ functionName, url }) => {
        if (url === '')
          return functionName.startsWith('(') && functionName !== '(anonymous)' ? functionName : '(native)';
        if (url.startsWith('node:')) return 'node';
        const parts = shown(url).split('/');
        return parts[0] === 'src' || parts[0]?.startsWith('@') === true
          ? parts.slice(0, 2).join('/')
          : (parts[0] ?? '');
      }),
      raw: profile,
    };
  };
}

function shares(
  { nodes, samples = [], timeDeltas = [] }: Profiler.Profile,
  nameOf: (frame: Profiler.ProfileNode['callFrame']) => string,
): Share[] {
  const names = new Map(
    nodes.map(({ id, callFrame }) => {
      // Neither waiting nor taking the profile is work of the server's.
      const apart = callFrame.functionName === '(idle)' || callFrame.url === 'node:inspector';
      return [id, apart ? undefined : nameOf(callFrame)];
    }),
  );
  const spent = new Map<string, number>();
  let total = 0;
  samples.forEach((id, index) => {
    const what = names.get(id);
    if (what === undefined) return;
    const time = timeDeltas[index] ?? 0;
    total += time;
    spent.set(what, (spent.get(what) ?? 0) + time);
  });
  return [...spent]
    .sort(([, a], [, b]) => b - a)
    .slice(0, 40)
    .map(([what, time]) => ({ percent: Math.round((time / total) * 1000) / 10, what }));
}
