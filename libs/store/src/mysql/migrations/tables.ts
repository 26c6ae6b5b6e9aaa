/**
 * The first schema: one table per migration, because MySQL commits at each DDL statement and half a migration could not be
 * undone. A released migration is never edited; a change is a new migration after it.
 *
 * Ids are ascii_bin: they are compared byte by byte and take one byte a character. All times are ms since 1970.
 * MySQL 8 and MariaDB 10.11 both understand every statement here.
 */
const ID = "VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin";
const LONG_ID = "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin";
/** `p:<32>:<32>` was the longest conversation id. */
const CONVERSATION_ID = "VARCHAR(67) CHARACTER SET ascii COLLATE ascii_bin";
/** `p:<64>:<64>` is the longest conversation id. */
const LONG_CONVERSATION_ID = "VARCHAR(131) CHARACTER SET ascii COLLATE ascii_bin";
const WORD = "VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin";
const TEXT_OPTIONS = "ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/** Partitions of the archive: MAX(seq) of a conversation searches one small tree instead of one large tree. */
const MESSAGE_PARTITIONS = 16;

/** [name of the migration, its statement], in order. */
export const tables: readonly (readonly [name: string, statement: string])[] = [
  [
    "CreateUsers",
    `CREATE TABLE users (
      id ${ID} NOT NULL,
      folded_id ${ID} NOT NULL,
      display_name VARCHAR(64) NOT NULL,
      password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL,
      status ENUM('normal', 'disabled') NOT NULL DEFAULT 'normal',
      muted_until BIGINT NOT NULL DEFAULT 0,
      role ${WORD} NOT NULL DEFAULT 'user',
      token_version INT UNSIGNED NOT NULL DEFAULT 1,
      created_at BIGINT NOT NULL,
      last_login_at BIGINT NULL,
      deleted_at BIGINT NULL,
      PRIMARY KEY (id),
      UNIQUE KEY users_folded_id (folded_id)
    ) ${TEXT_OPTIONS}`,
  ],
  [
    "CreateDevices",
    `CREATE TABLE devices (
      user_id ${ID} NOT NULL,
      device_id ${LONG_ID} NOT NULL,
      platform ${WORD} NOT NULL,
      refresh_family ${LONG_ID} NULL,
      refresh_hash ${LONG_ID} NULL,
      refresh_expires_at BIGINT NULL,
      created_at BIGINT NOT NULL,
      last_seen_at BIGINT NOT NULL,
      revoked_at BIGINT NULL,
      PRIMARY KEY (user_id, device_id)
    ) ${TEXT_OPTIONS}`,
  ],
  [
    "CreateRelations",
    `CREATE TABLE relations (
      owner_id ${ID} NOT NULL,
      peer_id ${ID} NOT NULL,
      state ENUM('none', 'requested', 'asked', 'friend', 'blocked') NOT NULL,
      remark VARCHAR(64) NULL,
      version BIGINT UNSIGNED NOT NULL,
      changed_at BIGINT NOT NULL,
      PRIMARY KEY (owner_id, peer_id),
      KEY relations_version (owner_id, version)
    ) ${TEXT_OPTIONS}`,
  ],
  [
    "CreateUserGroups",
    `CREATE TABLE user_groups (
      id ${ID} NOT NULL,
      name VARCHAR(64) NOT NULL,
      notice VARCHAR(1024) NULL,
      owner_id ${ID} NOT NULL,
      join_policy ENUM('open', 'approval', 'invite') NOT NULL,
      muted TINYINT(1) NOT NULL DEFAULT 0,
      member_count INT UNSIGNED NOT NULL DEFAULT 0,
      fan_out ENUM('write', 'read') NOT NULL DEFAULT 'write',
      version BIGINT UNSIGNED NOT NULL DEFAULT 0,
      created_at BIGINT NOT NULL,
      dissolved_at BIGINT NULL,
      PRIMARY KEY (id)
    ) ${TEXT_OPTIONS}`,
  ],
  [
    "CreateGroupMembers",
    `CREATE TABLE group_members (
      group_id ${ID} NOT NULL,
      user_id ${ID} NOT NULL,
      role ENUM('owner', 'admin', 'member') NOT NULL DEFAULT 'member',
      muted_until BIGINT NOT NULL DEFAULT 0,
      joined_seq BIGINT UNSIGNED NOT NULL,
      left_seq BIGINT UNSIGNED NULL,
      version BIGINT UNSIGNED NOT NULL,
      PRIMARY KEY (group_id, user_id),
      KEY group_members_user (user_id)
    ) ${TEXT_OPTIONS}`,
  ],
  [
    "CreateConversations",
    `CREATE TABLE conversations (
      id ${CONVERSATION_ID} NOT NULL,
      kind ENUM('private', 'group') NOT NULL,
      last_seq BIGINT UNSIGNED NOT NULL,
      last_at BIGINT NOT NULL,
      preview_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
      preview_sender ${ID} NULL,
      preview_content_type ${WORD} NULL,
      preview_text VARCHAR(100) NULL,
      changed_at BIGINT NOT NULL,
      PRIMARY KEY (id)
    ) ${TEXT_OPTIONS}`,
  ],
  [
    "CreateConversationMembers",
    `CREATE TABLE conversation_members (
      user_id ${ID} NOT NULL,
      conversation ${CONVERSATION_ID} NOT NULL,
      read_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
      delivered_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
      cleared_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
      pinned TINYINT(1) NOT NULL DEFAULT 0,
      muted TINYINT(1) NOT NULL DEFAULT 0,
      version BIGINT UNSIGNED NOT NULL DEFAULT 0,
      changed_at BIGINT NOT NULL,
      PRIMARY KEY (user_id, conversation),
      KEY conversation_members_conversation (conversation)
    ) ${TEXT_OPTIONS}`,
  ],
  [
    "CreateMessages",
    `CREATE TABLE messages (
      conversation ${CONVERSATION_ID} NOT NULL,
      seq BIGINT UNSIGNED NOT NULL,
      message_id BIGINT UNSIGNED NOT NULL,
      kind ENUM('message', 'recall', 'system') NOT NULL,
      sender ${ID} NOT NULL,
      client_msg_id ${LONG_ID} NOT NULL,
      content_type ${WORD} NOT NULL,
      content TEXT NULL,
      target_seq BIGINT UNSIGNED NULL,
      recalled TINYINT(1) NOT NULL DEFAULT 0,
      sent_at BIGINT NOT NULL,
      PRIMARY KEY (conversation, seq),
      KEY messages_client_msg_id (conversation, client_msg_id),
      KEY messages_message_id (message_id)
    ) ${TEXT_OPTIONS}
    PARTITION BY KEY (conversation) PARTITIONS ${MESSAGE_PARTITIONS}`,
  ],
  [
    "CreateArchivePositions",
    `CREATE TABLE archive_positions (
      partition_number INT UNSIGNED NOT NULL,
      epoch BIGINT UNSIGNED NOT NULL,
      position BIGINT NOT NULL,
      PRIMARY KEY (partition_number)
    ) ${TEXT_OPTIONS}`,
  ],
  [
    "CreateUserVersions",
    `CREATE TABLE user_versions (
      user_id ${ID} NOT NULL,
      relations_version BIGINT UNSIGNED NOT NULL DEFAULT 0,
      groups_version BIGINT UNSIGNED NOT NULL DEFAULT 0,
      PRIMARY KEY (user_id)
    ) ${TEXT_OPTIONS}`,
  ],
  [
    "CreateOutbox",
    `CREATE TABLE outbox (
      conversation ${CONVERSATION_ID} NOT NULL,
      version BIGINT UNSIGNED NOT NULL,
      change_kind ${LONG_ID} NOT NULL,
      body TEXT NOT NULL,
      created_at BIGINT NOT NULL,
      PRIMARY KEY (conversation, version)
    ) ${TEXT_OPTIONS}`,
  ],
  [
    "CreateApiKeys",
    `CREATE TABLE api_keys (
      id ${LONG_ID} NOT NULL,
      name VARCHAR(64) NOT NULL,
      secret_hash ${LONG_ID} NOT NULL,
      scopes VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      created_at BIGINT NOT NULL,
      last_used_at BIGINT NULL,
      revoked_at BIGINT NULL,
      PRIMARY KEY (id)
    ) ${TEXT_OPTIONS}`,
  ],
  [
    // The time since which a user belongs to a group lies in their stays: a user who returns has several.
    "MoveStaysOutOfMembers",
    `ALTER TABLE group_members
      DROP COLUMN joined_seq,
      DROP COLUMN left_seq,
      ADD COLUMN present TINYINT(1) NOT NULL DEFAULT 1,
      ADD KEY group_members_version (group_id, version)`,
  ],
  [
    "CreateGroupStays",
    `CREATE TABLE group_stays (
      group_id ${ID} NOT NULL,
      user_id ${ID} NOT NULL,
      joined_version BIGINT UNSIGNED NOT NULL,
      joined_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
      left_version BIGINT UNSIGNED NULL,
      left_seq BIGINT UNSIGNED NULL,
      PRIMARY KEY (group_id, user_id, joined_version)
    ) ${TEXT_OPTIONS}`,
  ],
  [
    "CreateGroupRequests",
    `CREATE TABLE group_requests (
      group_id ${ID} NOT NULL,
      user_id ${ID} NOT NULL,
      asked_at BIGINT NOT NULL,
      PRIMARY KEY (group_id, user_id)
    ) ${TEXT_OPTIONS}`,
  ],
  ["AddPurgedSeq", "ALTER TABLE conversations ADD COLUMN purged_seq BIGINT UNSIGNED NOT NULL DEFAULT 0"],
  [
    // For the search for names in any case. A letter may become two in lower case.
    "AddFoldedNames",
    `ALTER TABLE users
      ADD COLUMN folded_name VARCHAR(128) AS (LOWER(display_name)) STORED,
      ADD KEY users_folded_name (folded_name)`,
  ],
  [
    "CreateDepartures",
    `CREATE TABLE departures (
      user_id ${ID} NOT NULL,
      PRIMARY KEY (user_id)
    ) ${TEXT_OPTIONS}`,
  ],
  // Devices ask for groups by a time (docs/decisions/0018): a counter per user would cost a write per member.
  ["AddGroupChangedAt", "ALTER TABLE user_groups ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0"],
  ["AddMemberChangedAt", "ALTER TABLE group_members ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0"],
  ["DropGroupsVersion", "ALTER TABLE user_versions DROP COLUMN groups_version"],
  ["AddLastSeen", "ALTER TABLE users ADD COLUMN last_seen_at BIGINT NOT NULL DEFAULT 0"],
  ["AddHiddenSeq", "ALTER TABLE conversation_members ADD COLUMN hidden_seq BIGINT UNSIGNED NOT NULL DEFAULT 0"],
  [
    "CreateBroadcasts",
    `CREATE TABLE broadcasts (
      id ${ID} NOT NULL,
      sender_id ${ID} NOT NULL,
      content_type ${WORD} NOT NULL,
      content TEXT NOT NULL,
      user_ids MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NULL,
      created_at BIGINT NOT NULL,
      after_id ${ID} NOT NULL DEFAULT '',
      sent INT UNSIGNED NOT NULL DEFAULT 0,
      refused INT UNSIGNED NOT NULL DEFAULT 0,
      done_at BIGINT NULL,
      PRIMARY KEY (id),
      KEY broadcasts_done_at (done_at)
    ) ${TEXT_OPTIONS}`,
  ],
  // Time at which the newest refresh token was issued: the token before it works for a moment longer.
  ["AddRefreshedAt", "ALTER TABLE devices ADD COLUMN refreshed_at BIGINT NULL"],
  // What users allow others to do; NULL: as the settings of the cluster say.
  ["AddWhoMay", `ALTER TABLE users ADD COLUMN who_may_add ${WORD} NULL, ADD COLUMN who_may_write ${WORD} NULL`],
  // The state at the time of a block, which the blocked user is told; NULL: no block.
  ["AddToldSeenAt", "ALTER TABLE relations ADD COLUMN told_seen_at BIGINT NULL"],
  [
    "AddToldMarks",
    `ALTER TABLE conversation_members
      ADD COLUMN told_read_seq BIGINT UNSIGNED NULL, ADD COLUMN told_delivered_seq BIGINT UNSIGNED NULL`,
  ],
  // A user who left a group by themselves is asked before another member can add them again.
  ["AddLeftAlone", "ALTER TABLE group_members ADD COLUMN left_alone TINYINT(1) NOT NULL DEFAULT 0"],
  [
    "CreateGroupInvitations",
    `CREATE TABLE group_invitations (
      user_id ${ID} NOT NULL,
      group_id ${ID} NOT NULL,
      inviter_id ${ID} NOT NULL,
      invited_at BIGINT NOT NULL,
      turned_down_at BIGINT NULL,
      PRIMARY KEY (user_id, group_id),
      KEY group_invitations_invited_at (invited_at)
    ) ${TEXT_OPTIONS}`,
  ],
  // One row: the time up to which messages were ever deleted.
  [
    "CreateRetentionCut",
    `CREATE TABLE retention_cut (
      id TINYINT UNSIGNED NOT NULL,
      sent_before BIGINT NOT NULL,
      PRIMARY KEY (id)
    ) ${TEXT_OPTIONS}`,
  ],
  // Search entries of users; a user with is_filed = 0 has no rows yet, or rows of an older name.
  [
    "CreateUserNames",
    `CREATE TABLE user_names (
      entry VARCHAR(64) NOT NULL,
      user_id ${LONG_ID} NOT NULL,
      PRIMARY KEY (entry, user_id),
      KEY user_names_user (user_id, entry)
    ) ${TEXT_OPTIONS}`,
  ],
  ["AddIsFiled", "ALTER TABLE users ADD COLUMN is_filed TINYINT(1) NOT NULL DEFAULT 0, ADD KEY users_filed (is_filed)"],
  // User ids of other systems (docs/decisions/0028): a longer VARCHAR below 256 bytes changes no row.
  ["LengthenUsers", `ALTER TABLE users MODIFY id ${LONG_ID} NOT NULL, MODIFY folded_id ${LONG_ID} NOT NULL`],
  ["LengthenDevices", `ALTER TABLE devices MODIFY user_id ${LONG_ID} NOT NULL`],
  [
    "LengthenRelations",
    `ALTER TABLE relations MODIFY owner_id ${LONG_ID} NOT NULL, MODIFY peer_id ${LONG_ID} NOT NULL`,
  ],
  ["LengthenUserGroups", `ALTER TABLE user_groups MODIFY owner_id ${LONG_ID} NOT NULL`],
  ["LengthenGroupMembers", `ALTER TABLE group_members MODIFY user_id ${LONG_ID} NOT NULL`],
  ["LengthenGroupStays", `ALTER TABLE group_stays MODIFY user_id ${LONG_ID} NOT NULL`],
  ["LengthenGroupRequests", `ALTER TABLE group_requests MODIFY user_id ${LONG_ID} NOT NULL`],
  [
    "LengthenGroupInvitations",
    `ALTER TABLE group_invitations MODIFY user_id ${LONG_ID} NOT NULL, MODIFY inviter_id ${LONG_ID} NOT NULL`,
  ],
  ["LengthenUserVersions", `ALTER TABLE user_versions MODIFY user_id ${LONG_ID} NOT NULL`],
  ["LengthenDepartures", `ALTER TABLE departures MODIFY user_id ${LONG_ID} NOT NULL`],
  [
    "LengthenBroadcasts",
    `ALTER TABLE broadcasts MODIFY sender_id ${LONG_ID} NOT NULL, MODIFY after_id ${LONG_ID} NOT NULL DEFAULT ''`,
  ],
  [
    "LengthenConversations",
    `ALTER TABLE conversations MODIFY id ${LONG_CONVERSATION_ID} NOT NULL, MODIFY preview_sender ${LONG_ID} NULL`,
  ],
  [
    "LengthenConversationMembers",
    `ALTER TABLE conversation_members
      MODIFY user_id ${LONG_ID} NOT NULL, MODIFY conversation ${LONG_CONVERSATION_ID} NOT NULL`,
  ],
  [
    "LengthenMessages",
    `ALTER TABLE messages MODIFY conversation ${LONG_CONVERSATION_ID} NOT NULL, MODIFY sender ${LONG_ID} NOT NULL`,
  ],
  ["LengthenOutbox", `ALTER TABLE outbox MODIFY conversation ${LONG_CONVERSATION_ID} NOT NULL`],
  // The number up to which a conversation is in no list of the user; hidden_seq concerns its messages.
  ["AddUnlistedSeq", "ALTER TABLE conversation_members ADD COLUMN unlisted_seq BIGINT UNSIGNED NOT NULL DEFAULT 0"],
  // Only an admin can add a user again whom an admin has removed.
  ["GroupsAddBans", `ALTER TABLE group_members ADD COLUMN banned_by ${LONG_ID} NULL`],
  [
    "GroupsAddRefusals",
    "ALTER TABLE group_requests ADD COLUMN refused_at BIGINT NULL, ADD KEY group_requests_user (user_id)",
  ],
  // The request that created a group: a repeated request is answered with the group in its present state.
  ["GroupsAddRequestDigest", `ALTER TABLE user_groups ADD COLUMN request_digest ${LONG_ID} NULL`],
  // An index that finds all users with a relation to a deleted account.
  ["RelationsAddPeerKey", "ALTER TABLE relations ADD KEY relations_peer (peer_id)"],
  // The first name of a user whom a program created, by which a repeated request is recognised.
  ["UsersAddMadeAs", "ALTER TABLE users ADD COLUMN made_as VARCHAR(64) NULL"],
  // Older builds ended only the memberships of deleted accounts: everything else ends now.
  ["UsersDepartAgain", "INSERT IGNORE INTO departures (user_id) SELECT id FROM users WHERE deleted_at IS NOT NULL"],
  // The acts of operators, API keys and the admins of groups on others (docs/decisions/0044).
  [
    "CreateAuditLog",
    `CREATE TABLE audit_log (
      id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
      at BIGINT NOT NULL,
      who VARCHAR(160) NOT NULL,
      origin VARCHAR(160) NOT NULL,
      act ${LONG_ID} NOT NULL,
      whom VARCHAR(160) NULL,
      place VARCHAR(160) NULL,
      result ${LONG_ID} NOT NULL,
      details TEXT NULL,
      PRIMARY KEY (id),
      KEY audit_log_at (at),
      KEY audit_log_who (who, at),
      KEY audit_log_whom (whom, at),
      KEY audit_log_place (place, at),
      KEY audit_log_act (act, at)
    ) ${TEXT_OPTIONS}`,
  ],
];
