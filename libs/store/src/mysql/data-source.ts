import { DataSource } from "typeorm";
import { dataSourceOptions, type MysqlAddress } from "./connections";
import { ApiKeyEntity, DeviceEntity, UserEntity, UserNameEntity } from "./entities/accounts";
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
  GroupInvitationEntity,
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
  UserNameEntity,
  DeviceEntity,
  ApiKeyEntity,
  RelationEntity,
  UserGroupEntity,
  GroupMemberEntity,
  DepartureEntity,
  GroupRequestEntity,
  GroupInvitationEntity,
  GroupStayEntity,
  UserVersionsEntity,
  ConversationEntity,
  ConversationMemberEntity,
  MessageEntity,
  ArchivePositionEntity,
  OutboxEntity,
  BroadcastEntity,
];

/** Creates the TypeORM side of the store, which knows the migrations; it is not connected yet. */
export function newDataSource(settings: MysqlAddress): DataSource {
  return new DataSource({
    ...dataSourceOptions(settings),
    // One connection for the lock, one for the migrations.
    poolSize: 2,
    entities: [...entities],
    migrations: [...migrations],
    migrationsTransactionMode: "none",
    synchronize: false,
  });
}
