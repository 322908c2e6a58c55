import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Preloaded by the npm scripts. What Node has made of our TypeScript is kept for the next start: it begins sooner, and
// without the compiler for types in its memory. Where the folder cannot be written, all is as without it.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
