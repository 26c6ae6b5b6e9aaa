import { DataSource } from "typeorm";
import { dataSourceOptions, type MysqlAddress } from "../connections";
import { migrations } from "./migrations";

/** Creates TypeORM's connection for the migrations; it is not open yet. */
export function newDataSource(settings: MysqlAddress): DataSource {
  return new DataSource({
    ...dataSourceOptions(settings),
    // One connection for the lock, one for the migrations.
    poolSize: 2,
    migrations: [...migrations],
    migrationsTransactionMode: "none",
    synchronize: false,
  });
}
