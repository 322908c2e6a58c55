import { createPublisher, publishScript } from './scripted-publisher.ts';
import { scriptedLog, seededTransactions } from './scripted-log.ts';

/** A process that publishes a script until it is killed: `node test/publish-child.ts <source name> <seed> <transactions>`. */
const [name = '', seed = '', count = ''] = process.argv.slice(2);
const publisher = createPublisher(name, { onCommitted: () => void process.stdout.write('committed\n') });
await publishScript(publisher, scriptedLog(seededTransactions(Number(seed), Number(count))));
process.stdout.write('done\n');
await publisher.close();
