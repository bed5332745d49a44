// A signing thread that is none: signs at once on this one, for tests of what is signed and when. Threads are another test's.
import type { StartSigner } from '../../src/ca/signer.ts';
import { answersTo } from '../../src/ca/signing.ts';
import type { Issuer } from '../../src/ca/x509.ts';

export const startSignerHere: StartSigner = (_name, onAnswers) => {
  let current: Issuer | undefined;
  return {
    post({ issuer, orders }) {
      current = issuer ?? current;
      const by = current;
      if (by !== undefined) queueMicrotask(() => onAnswers(answersTo(by, orders).answers));
    },
    hold() {},
    ended: new Promise(() => {}),
    kill() {},
  };
};
