/** The view of a client, for apps that draw one: `@carillon/client/view`. Who does not ask for it does not load it. */
import type { BaseClient, Recipient } from "./client";
import type { ViewBounds } from "./view/conversation-list";
import { View } from "./view/view";
import { ViewState } from "./view/view-state";

export type { ViewPart } from "./view/changes";
export type { ViewBounds } from "./view/conversation-list";
export type { MessageStatus, People, Person, ViewConversation, ViewMessage, ViewMessages } from "./view/snapshots";
export type { View, ViewPlace } from "./view/view";

const views = new WeakMap<object, View>();

/**
 * What an app shows of a client: conversations, messages, people, presence, to be bound to. It is made when it is asked for
 * first, and is the same ever after. Asked for before `connect`, it shows what is stored at once.
 * @param bounds how many messages it keeps; counts for the first call
 */
export function viewOf<TransportName extends string>(client: BaseClient<TransportName>, bounds: ViewBounds = {}): View {
  const known = views.get(client);
  if (known !== undefined) return known;
  const { core } = client;
  const state = new ViewState(core, bounds);
  core.atEnd(() => state.stop());
  if (core.state.name === "online") state.online();
  const view = new View(state, {
    send: ({ to, ...content }) => client.send(to as Recipient, content),
    watch: (userIds) => core.watch(userIds),
  });
  views.set(client, view);
  return view;
}
