// Where something a user wrote stands. Travels from the object to every resource made from it.

export interface Provenance {
  /** Name of the source that holds the document, as in `chancery config show`. */
  readonly source: string;
  /** File path, KV key or URL path of the document. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  /** `Kind namespace/name` of the object, as in messages. */
  readonly object: string;
}
