import { silentLogger } from "@carillon/base/node";
import { MysqlStore, migrate } from "@carillon/store";
import { startServers, type TestServers } from "@carillon/testkit";

/** A MySQL of its own with the newest schema. */
export interface OpenStore {
  servers: TestServers<{ mysql: true }>;
  store: MysqlStore;
  close(): Promise<void>;
}

export async function openStore(poolSize = 4): Promise<OpenStore> {
  const servers = await startServers({ mysql: true });
  const settings = { url: servers.mysql.url, poolSize };
  await migrate(settings, silentLogger());
  const store = await MysqlStore.connect(settings, silentLogger());
  const close = async () => {
    await store.close();
    await servers.stop();
  };
  return { servers, store, close };
}
