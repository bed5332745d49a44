// A poll that cannot be answered, as a status of HTTP and words. It must not know why.

export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
