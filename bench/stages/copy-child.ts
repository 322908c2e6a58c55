import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';

/** Reads the table of the snapshot benchmark by COPY, and drops what comes. */
const [connectionString] = process.argv.slice(2);
const client = new pg.Client({ connectionString });
await client.connect();
for await (const piece of client.query(copyTo('COPY orders TO STDOUT'))) void piece;
await client.end();
