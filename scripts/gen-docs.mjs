// `npm run gen`: writes the pages and schemas that are made from the sources. Tidy tests fail when one is stale.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { errorsPage } from './errors-page.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const load = (path) => import(pathToFileURL(join(root, path)).href);

function write(path, text) {
  const file = join(root, path);
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return console.log(`${path}: fresh`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  console.log(`${path}: written`);
}

const { errorCodes } = await load('src/util/error-codes.ts');
write('docs/errors.md', errorsPage(errorCodes));
const { schemaText } = await load('src/model/json-schema.ts');
write('schema/chancery.schema.json', schemaText());
