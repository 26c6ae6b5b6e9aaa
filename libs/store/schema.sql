-- The tables after all migrations of src/mysql/migrations/tables.ts. WRITE_SCHEMA=1 npx jest --selectProjects integration -- mysql-schema writes this file.

CREATE TABLE `api_keys` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `name` varchar(64) NOT NULL,
  `secret_hash` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `scopes` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `last_used_at` bigint(20) DEFAULT NULL,
  `revoked_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `archive_positions` (
  `partition_number` int(10) unsigned NOT NULL,
  `epoch` bigint(20) unsigned NOT NULL,
  `position` bigint(20) NOT NULL,
  PRIMARY KEY (`partition_number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `audit_log` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `at` bigint(20) NOT NULL,
  `who` varchar(160) NOT NULL,
  `origin` varchar(160) NOT NULL,
  `act` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `whom` varchar(160) DEFAULT NULL,
  `place` varchar(160) DEFAULT NULL,
  `result` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `details` text DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `audit_log_at` (`at`),
  KEY `audit_log_who` (`who`,`at`),
  KEY `audit_log_whom` (`whom`,`at`),
  KEY `audit_log_place` (`place`,`at`),
  KEY `audit_log_act` (`act`,`at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `broadcasts` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `sender_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `content_type` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `content` text NOT NULL,
  `user_ids` mediumtext CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `created_at` bigint(20) NOT NULL,
  `after_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  `sent` int(10) unsigned NOT NULL DEFAULT 0,
  `refused` int(10) unsigned NOT NULL DEFAULT 0,
  `done_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `broadcasts_done_at` (`done_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `conversations` (
  `id` varchar(131) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `kind` enum('private','group') NOT NULL,
  `last_seq` bigint(20) unsigned NOT NULL,
  `last_at` bigint(20) NOT NULL,
  `preview_seq` bigint(20) unsigned NOT NULL DEFAULT 0,
  `preview_sender` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `preview_content_type` varchar(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `preview_text` varchar(100) DEFAULT NULL,
  `changed_at` bigint(20) NOT NULL,
  `purged_seq` bigint(20) unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `conversation_members` (
  `user_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `conversation` varchar(131) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `read_seq` bigint(20) unsigned NOT NULL DEFAULT 0,
  `delivered_seq` bigint(20) unsigned NOT NULL DEFAULT 0,
  `cleared_seq` bigint(20) unsigned NOT NULL DEFAULT 0,
  `pinned` tinyint(1) NOT NULL DEFAULT 0,
  `muted` tinyint(1) NOT NULL DEFAULT 0,
  `version` bigint(20) unsigned NOT NULL DEFAULT 0,
  `changed_at` bigint(20) NOT NULL,
  `hidden_seq` bigint(20) unsigned NOT NULL DEFAULT 0,
  `told_read_seq` bigint(20) unsigned DEFAULT NULL,
  `told_delivered_seq` bigint(20) unsigned DEFAULT NULL,
  `unlisted_seq` bigint(20) unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (`user_id`,`conversation`),
  KEY `conversation_members_conversation` (`conversation`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `departures` (
  `user_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (`user_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `devices` (
  `user_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `device_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `platform` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `refresh_family` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `refresh_hash` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `refresh_expires_at` bigint(20) DEFAULT NULL,
  `created_at` bigint(20) NOT NULL,
  `last_seen_at` bigint(20) NOT NULL,
  `revoked_at` bigint(20) DEFAULT NULL,
  `refreshed_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`user_id`,`device_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `group_invitations` (
  `user_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `group_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `inviter_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `invited_at` bigint(20) NOT NULL,
  `turned_down_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`user_id`,`group_id`),
  KEY `group_invitations_invited_at` (`invited_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `group_members` (
  `group_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `role` enum('owner','admin','member') NOT NULL DEFAULT 'member',
  `muted_until` bigint(20) NOT NULL DEFAULT 0,
  `version` bigint(20) unsigned NOT NULL,
  `present` tinyint(1) NOT NULL DEFAULT 1,
  `changed_at` bigint(20) NOT NULL DEFAULT 0,
  `left_alone` tinyint(1) NOT NULL DEFAULT 0,
  `banned_by` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  PRIMARY KEY (`group_id`,`user_id`),
  KEY `group_members_user` (`user_id`),
  KEY `group_members_version` (`group_id`,`version`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `group_requests` (
  `group_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `asked_at` bigint(20) NOT NULL,
  `refused_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`group_id`,`user_id`),
  KEY `group_requests_user` (`user_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `group_stays` (
  `group_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `joined_version` bigint(20) unsigned NOT NULL,
  `joined_seq` bigint(20) unsigned NOT NULL DEFAULT 0,
  `left_version` bigint(20) unsigned DEFAULT NULL,
  `left_seq` bigint(20) unsigned DEFAULT NULL,
  PRIMARY KEY (`group_id`,`user_id`,`joined_version`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `messages` (
  `conversation` varchar(131) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `seq` bigint(20) unsigned NOT NULL,
  `message_id` bigint(20) unsigned NOT NULL,
  `kind` enum('message','recall','system') NOT NULL,
  `sender` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `client_msg_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `content_type` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `content` text DEFAULT NULL,
  `target_seq` bigint(20) unsigned DEFAULT NULL,
  `recalled` tinyint(1) NOT NULL DEFAULT 0,
  `sent_at` bigint(20) NOT NULL,
  PRIMARY KEY (`conversation`,`seq`),
  KEY `messages_client_msg_id` (`conversation`,`client_msg_id`),
  KEY `messages_message_id` (`message_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
 PARTITION BY KEY (`conversation`)
PARTITIONS 16;

CREATE TABLE `outbox` (
  `conversation` varchar(131) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `version` bigint(20) unsigned NOT NULL,
  `change_kind` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `body` text NOT NULL,
  `created_at` bigint(20) NOT NULL,
  PRIMARY KEY (`conversation`,`version`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `relations` (
  `owner_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `peer_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `state` enum('none','requested','asked','friend','blocked') NOT NULL,
  `remark` varchar(64) DEFAULT NULL,
  `version` bigint(20) unsigned NOT NULL,
  `changed_at` bigint(20) NOT NULL,
  `told_seen_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`owner_id`,`peer_id`),
  KEY `relations_version` (`owner_id`,`version`),
  KEY `relations_peer` (`peer_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `retention_cut` (
  `id` tinyint(3) unsigned NOT NULL,
  `sent_before` bigint(20) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `users` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `folded_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `display_name` varchar(64) NOT NULL,
  `password_hash` varchar(255) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `status` enum('normal','disabled') NOT NULL DEFAULT 'normal',
  `muted_until` bigint(20) NOT NULL DEFAULT 0,
  `role` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'user',
  `token_version` int(10) unsigned NOT NULL DEFAULT 1,
  `created_at` bigint(20) NOT NULL,
  `last_login_at` bigint(20) DEFAULT NULL,
  `deleted_at` bigint(20) DEFAULT NULL,
  `folded_name` varchar(128) GENERATED ALWAYS AS (lcase(`display_name`)) STORED,
  `last_seen_at` bigint(20) NOT NULL DEFAULT 0,
  `who_may_add` varchar(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `who_may_write` varchar(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `is_filed` tinyint(1) NOT NULL DEFAULT 0,
  `made_as` varchar(64) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `users_folded_id` (`folded_id`),
  KEY `users_folded_name` (`folded_name`),
  KEY `users_filed` (`is_filed`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `user_groups` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `name` varchar(64) NOT NULL,
  `notice` varchar(1024) DEFAULT NULL,
  `owner_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `join_policy` enum('open','approval','invite') NOT NULL,
  `muted` tinyint(1) NOT NULL DEFAULT 0,
  `member_count` int(10) unsigned NOT NULL DEFAULT 0,
  `fan_out` enum('write','read') NOT NULL DEFAULT 'write',
  `version` bigint(20) unsigned NOT NULL DEFAULT 0,
  `created_at` bigint(20) NOT NULL,
  `dissolved_at` bigint(20) DEFAULT NULL,
  `changed_at` bigint(20) NOT NULL DEFAULT 0,
  `request_digest` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `user_names` (
  `entry` varchar(64) NOT NULL,
  `user_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (`entry`,`user_id`),
  KEY `user_names_user` (`user_id`,`entry`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `user_versions` (
  `user_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `relations_version` bigint(20) unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (`user_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
