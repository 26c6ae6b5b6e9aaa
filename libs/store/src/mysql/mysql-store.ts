/** The connections to MySQL, with all its queries. */
import type { Logger, Settings } from "@carillon/base/node";
import { ArchiveWriter } from "./archive/archive-writer";
import { AuditQueries } from "./archive/audit-queries";
import { RetentionQueries } from "./archive/retention-queries";
import type { MysqlAddress } from "./connections";
import { ConversationQueries } from "./conversation-queries";
import { FactQueries } from "./fact-queries";
import { GroupFacts } from "./groups/group-facts";
import { GroupQueries } from "./groups/group-queries";
import { InvitationQueries } from "./groups/invitation-queries";
import { MembershipQueries } from "./groups/membership-queries";
import { RequestQueries } from "./groups/request-queries";
import { AccountQueries } from "./people/account-queries";
import { AuditLogQueries } from "./people/audit-log-queries";
import { BroadcastQueries } from "./people/broadcast-queries";
import { CredentialQueries } from "./people/credential-queries";
import { KeyQueries } from "./people/key-queries";
import { NameQueries } from "./people/name-queries";
import { OldDeviceQueries } from "./people/old-device-queries";
import { RelationQueries } from "./people/relation-queries";
import { UserQueries } from "./people/user-queries";
import { ServerQueries } from "./server-queries";
import { Sql } from "./sql";
import { SyncQueries } from "./sync-queries";
import { ViewQueries } from "./view-queries";

/** Share of the connections reserved for the checks of tokens and keys. */
const CHECKS_SHARE = 0.25;

export type MysqlSettings = MysqlAddress & Pick<Settings["mysql"], "poolSize">;

export class MysqlStore {
  readonly facts: FactQueries;
  readonly archive: ArchiveWriter;
  readonly conversations: ConversationQueries;
  readonly views: ViewQueries;
  readonly sync: SyncQueries;
  readonly accounts: AccountQueries;
  readonly credentials: CredentialQueries;
  readonly oldDevices: OldDeviceQueries;
  readonly groups: GroupQueries;
  readonly groupFacts: GroupFacts;
  readonly invitations: InvitationQueries;
  readonly memberships: MembershipQueries;
  readonly groupRequests: RequestQueries;
  readonly retention: RetentionQueries;
  readonly server: ServerQueries;
  readonly audit: AuditQueries;
  readonly auditLog: AuditLogQueries;
  readonly relations: RelationQueries;
  readonly users: UserQueries;
  readonly names: NameQueries;
  readonly keys: KeyQueries;
  readonly broadcasts: BroadcastQueries;
  private readonly sql: Sql;
  /** Connections for the checks of tokens and keys, which no other statement may hold up. */
  private readonly checks: Sql;

  private constructor(settings: MysqlSettings, logger: Logger) {
    const ofChecks = Math.max(1, Math.floor(settings.poolSize * CHECKS_SHARE));
    this.checks = new Sql(settings, logger, ofChecks);
    this.sql = new Sql(settings, logger, Math.max(1, settings.poolSize - ofChecks));
    this.facts = new FactQueries(this.sql);
    this.archive = new ArchiveWriter(this.sql);
    this.conversations = new ConversationQueries(this.sql);
    this.views = new ViewQueries(this.sql);
    this.sync = new SyncQueries(this.sql);
    this.audit = new AuditQueries(this.sql);
    this.auditLog = new AuditLogQueries(this.sql);
    this.groups = new GroupQueries(this.sql);
    this.groupFacts = new GroupFacts(this.sql);
    this.invitations = new InvitationQueries(this.sql);
    this.memberships = new MembershipQueries(this.sql);
    this.groupRequests = new RequestQueries(this.sql);
    this.retention = new RetentionQueries(this.sql);
    this.relations = new RelationQueries(this.sql);
    this.users = new UserQueries(this.sql);
    this.names = new NameQueries(this.sql);
    this.keys = new KeyQueries(this.sql, this.checks);
    this.broadcasts = new BroadcastQueries(this.sql);
    this.server = new ServerQueries(this.sql);
    this.accounts = new AccountQueries(this.sql);
    this.credentials = new CredentialQueries(this.checks);
    this.oldDevices = new OldDeviceQueries(this.sql);
  }

  /** Creates the store. Connections open when they are needed, so that a process can start while MySQL is away. */
  static async connect(settings: MysqlSettings, logger: Logger): Promise<MysqlStore> {
    const store = new MysqlStore(settings, logger);
    await store.ping().catch((err: Error) => logger.warn({ err }, "MySQL is away"));
    return store;
  }

  /** @throws the driver's error when MySQL is away */
  async ping(): Promise<void> {
    await this.sql.rows("SELECT 1");
  }

  async close(): Promise<void> {
    await Promise.all([this.sql.close(), this.checks.close()]);
  }
}
