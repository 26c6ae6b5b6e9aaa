/**
 * Combines the questions of many SYNCs to MySQL and Redis. A crowd that returns asks the same questions about thousands of users
 * at the same moment. Asked alone, each SYNC took five statements, and most of the time of an api, of MySQL and of the machine
 * went into sending and receiving them (docs/decisions/0027).
 */
import { GroupedQuestions } from "@carillon/base";
import { withoutDeadline } from "@carillon/base/node";
import type { GroupRow } from "@carillon/protocol";
import {
  type ConversationQueries,
  type Inboxes,
  type InboxHeadAndReach,
  type ListedConversation,
  type ListQuestion,
  listId,
  type Marks,
  type MembershipQueries,
  type SyncOverview,
  type SyncQueries,
  type UnreadQuestion,
} from "@carillon/store";

/** Users of one statement that gives lists, each of some dozens of rows. */
const LISTS = 32;
/** Conversations of one statement that counts what is unread. */
const COUNTS = 64;

export interface SharedSources {
  sync: Pick<SyncQueries, "overviews">;
  inboxes: Pick<Inboxes, "headsAndReach">;
  conversations: Pick<ConversationQueries, "listsOfFew" | "unread">;
  memberships: Pick<MembershipQueries, "changedOfFew">;
  marks: Pick<Marks, "of">;
  /** ms */
  monotonic(): number;
}

export class SharedQuestions {
  private readonly overviews: GroupedQuestions<string, SyncOverview>;
  private readonly headsAndReach: GroupedQuestions<string, InboxHeadAndReach>;
  private readonly lists: GroupedQuestions<ListQuestion, ListedConversation[]>;
  private readonly groups: GroupedQuestions<ListQuestion, GroupRow[]>;
  private readonly counts: GroupedQuestions<UnreadQuestion, number>;
  private readonly positions: GroupedQuestions<MarksQuestion, MarksAnswer>;

  constructor({ sync, inboxes, conversations, memberships, marks, monotonic }: SharedSources) {
    const ofUsers = { idOf: (userId: string) => userId, monotonic };
    const ofLists = { idOf: listId, most: LISTS, monotonic };
    this.overviews = new GroupedQuestions({ ...ofUsers, ask: shared((userIds) => sync.overviews(userIds)) });
    this.headsAndReach = new GroupedQuestions({ ...ofUsers, ask: shared((userIds) => inboxes.headsAndReach(userIds)) });
    this.lists = new GroupedQuestions({ ...ofLists, ask: shared((questions) => conversations.listsOfFew(questions)) });
    this.groups = new GroupedQuestions({ ...ofLists, ask: shared((questions) => memberships.changedOfFew(questions)) });
    this.counts = new GroupedQuestions({
      idOf: unreadId,
      most: COUNTS,
      monotonic,
      ask: shared(async (questions) => {
        const counts = await conversations.unread(questions);
        return new Map(questions.map((question, i) => [unreadId(question), counts[i]!]));
      }),
    });
    this.positions = new GroupedQuestions({
      idOf: marksId,
      monotonic,
      ask: shared(async (questions) => {
        const found = await marks.of(questions);
        return new Map(questions.map((question, i) => [marksId(question), found[i]!]));
      }),
    });
  }

  /** @throws Unanswered, or what MySQL says, as all of these */
  async overview(userId: string): Promise<SyncOverview> {
    return (await this.overviews.ask(userId))!;
  }

  async inbox(userId: string): Promise<InboxHeadAndReach> {
    return (await this.headsAndReach.ask(userId))!;
  }

  /** All conversations of a user who has few. */
  async conversationsOfFew(question: ListQuestion): Promise<ListedConversation[]> {
    return (await this.lists.ask(question))!;
  }

  /** The changed groups of a user who has few. */
  async groupsOfFew(question: ListQuestion): Promise<GroupRow[]> {
    return (await this.groups.ask(question))!;
  }

  /** In the order of the questions; at most 10,000 each. */
  async unread(questions: UnreadQuestion[]): Promise<number[]> {
    const count = async (question: UnreadQuestion) =>
      question.upTo <= question.above ? 0 : (await this.counts.ask(question))!;
    return Promise.all(questions.map(count));
  }

  /** As `Marks.of`. */
  readonly marks = (wanted: MarksQuestion[]): Promise<MarksAnswer[]> =>
    Promise.all(wanted.map(async (question) => (await this.positions.ask(question))!));
}

/** Asked for several questions, so that the deadline of none of them counts. */
function shared<K, A>(ask: (keys: K[]) => Promise<A>): (keys: K[]) => Promise<A> {
  return (keys) => withoutDeadline(() => ask(keys));
}

type MarksQuestion = Parameters<Marks["of"]>[0][number];
type MarksAnswer = Awaited<ReturnType<Marks["of"]>>[number];

const marksId = ({ conversationId, userIds }: MarksQuestion) => `${conversationId} ${userIds.join(" ")}`;

const unreadId = ({ conversationId, userId, above, upTo }: UnreadQuestion) =>
  `${conversationId} ${userId} ${above} ${upTo}`;
