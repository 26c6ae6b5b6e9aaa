/** Tests of the loader: it requests missing messages once, and again after a failure. */
import { CarillonError, type Event, type PulledPayload, type PullPayload } from "@carillon/protocol";
import { Conversation } from "../src/view/conversation";
import { MessageLoader } from "../src/view/messages/loader";
import { MessageWindow } from "../src/view/messages/window";

const CHAT = "p:bob:mia";

function loaderOf(lastSeq: number) {
  const asked: string[] = [];
  const answers: ((outcome: PulledPayload | Error) => void)[] = [];
  const pull = ({ fromSeq, toSeq }: PullPayload) => {
    asked.push(`${fromSeq}-${toSeq}`);
    return new Promise<PulledPayload>((resolve, reject) => {
      answers.push((outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome)));
    });
  };
  const loader = new MessageLoader(pull, () => {});
  const conversation = new Conversation(CHAT, "mia", new MessageWindow());
  const tell = (upTo: number) => {
    const marks = { readSeq: 0, clearedSeq: 0, unread: 0, pinned: false, muted: false };
    conversation.takeRow({ conversationId: CHAT, kind: "private", lastSeq: upTo, lastAt: upTo, ...marks });
  };
  tell(lastSeq);
  const answer = async (outcome: PulledPayload | Error) => {
    answers.shift()!(outcome);
    for (let i = 0; i < 5; i++) await Promise.resolve();
  };
  return { loader, conversation, asked, answer, tell };
}

const page = (from: number, to: number): PulledPayload => ({
  conversationId: CHAT,
  events: Array.from({ length: to - from + 1 }, (_, i) => ({ seq: from + i, kind: "message" }) as Event),
  lastSeq: to,
  more: false,
});

test("events that become known while the newest are in flight are fetched by the next look", async () => {
  const { loader, conversation, asked, answer, tell } = loaderOf(10);
  loader.newest(conversation);
  loader.newest(conversation);
  tell(12);
  loader.newest(conversation);
  expect(asked).toEqual(["10-1"]);
  await answer(page(1, 10));
  loader.newest(conversation);
  expect(asked).toEqual(["10-1", "12-11"]);
});

test("the next look repeats a failed request, and the next connection a refused one", async () => {
  const { loader, conversation, asked, answer } = loaderOf(10);
  loader.newest(conversation);
  await answer(new CarillonError("BUSY"));
  loader.newest(conversation);
  expect(asked).toHaveLength(2);
  await answer(new CarillonError("NO_SUCH_CONVERSATION"));
  loader.newest(conversation);
  expect(asked).toHaveLength(2);
  loader.online();
  loader.newest(conversation);
  expect(asked).toHaveLength(3);
  await answer(page(1, 10));
  loader.newest(conversation);
  expect(asked).toHaveLength(3);
});

test("if only the last message is loaded, the first look fetches a page, and a refused request is not repeated", async () => {
  const { loader, conversation, asked, answer } = loaderOf(102);
  conversation.takeEvent({ seq: 102, kind: "message" } as Event);
  loader.newest(conversation);
  loader.newest(conversation);
  expect(asked).toEqual(["101-1"]);
  await answer(new CarillonError("NO_SUCH_CONVERSATION"));
  loader.newest(conversation);
  expect(asked).toHaveLength(1);
  loader.online();
  loader.newest(conversation);
  await answer({ ...page(52, 101), more: true });
  expect(conversation.window.shown).toHaveLength(51);
  loader.newest(conversation);
  expect(asked).toHaveLength(2);
});
