import { openShop } from './shop.ts';

/** One shop for all files; in the environment, as the stack's URLs are (`shopOfRun` reads it). Runs behind the stack's set-up. */
export async function setup(): Promise<() => Promise<void>> {
  const shop = await openShop();
  process.env['THIRD_PARTY_SHOP'] = JSON.stringify(shop);
  return async () => shop.drop();
}

export { setup as default };
