// What the state folder says of trust: whether this control plane had any before, and whether somebody said that what is found
// now is to be taken as it is. It must not know what trust is. Invariant: such a word holds for one start that came about.
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface StateSigns {
  /** What is here only where trust was before; undefined: nothing. */
  ofBefore(): Promise<string | undefined>;
  /** `how`: a sentence that says what to type. */
  readonly asFound: { (): Promise<boolean>; readonly how: string };
  /** Trust is open: what was said was heard. */
  done(): Promise<void>;
}

export function createStateSigns(state: string): StateSigns {
  const [own, said] = [join(state, 'xds', 'roots.pem'), join(state, 'trust-as-found')];
  return {
    ofBefore: async () => ((await isThere(own)) ? own : undefined),
    asFound: Object.assign(() => isThere(said), {
      how: `To go on with what is here nevertheless, run touch ${said} and start once more.`,
    }),
    done: () => rm(said, { force: true }),
  };
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
      throw error;
    },
  );
}
