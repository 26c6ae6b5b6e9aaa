import type { Settings } from "@carillon/base/node";
import { DataSource } from "typeorm";
import { ApiKeyEntity, DeviceEntity, UserEntity } from "./entities/accounts";
import {
  ArchivePositionEntity,
  ConversationEntity,
  ConversationMemberEntity,
  MessageEntity,
  OutboxEntity,
} from "./entities/archive";
import { BroadcastEntity } from "./entities/broadcasts";
import {
  DepartureEntity,
  GroupMemberEntity,
  GroupRequestEntity,
  GroupStayEntity,
  RelationEntity,
  UserGroupEntity,
  UserVersionsEntity,
} from "./entities/relations";
import { migrations } from "./migrations/migrations";

const entities = [
  UserEntity,
  DeviceEntity,
  ApiKeyEntity,
  RelationEntity,
  UserGroupEntity,
  GroupMemberEntity,
  DepartureEntity,
  GroupRequestEntity,
  GroupStayEntity,
  UserVersionsEntity,
  ConversationEntity,
  ConversationMemberEntity,
  MessageEntity,
  ArchivePositionEntity,
  OutboxEntity,
  BroadcastEntity,
];

/** Connections of the administrative paths; hot paths have their own pool. */
const MOST_CONNECTIONS = 4;

/** The TypeORM side of the store; not yet connected. */
export function newDataSource(settings: Pick<Settings["mysql"], "url">, connections = MOST_CONNECTIONS): DataSource {
  return new DataSource({
    type: "mysql",
    url: settings.url,
    charset: "utf8mb4_bin",
    timezone: "Z",
    connectTimeout: 5_000,
    poolSize: connections,
    entities: [...entities],
    migrations: [...migrations],
    migrationsTransactionMode: "none",
    synchronize: false,
  });
}
