// A poll that cannot be answered, as a status of HTTP and words. It must not know why.
import type { Refusal } from '../contract.ts';

/** What a refusal is in HTTP. */
export const refusalStatus: Readonly<Record<Refusal['refused'], number>> = {
  unauthenticated: 401,
  'permission-denied': 403,
  unavailable: 503,
  'resource-exhausted': 429,
  'invalid-argument': 400,
};

export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
