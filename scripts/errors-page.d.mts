// Types of scripts/errors-page.mjs for the tidy test.
export declare function errorsPage(
  codes: Readonly<Record<string, { readonly title: string; readonly hint: string }>>,
): string;
