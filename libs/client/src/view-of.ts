/** The view of a client, for apps that draw one: `@carillon/client/view`. An app that does not import it does not load it. */
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
 * Returns the view of a client: conversations, messages, people and presence, for an app to bind to. The first call makes the
 * view; later calls return the same one. Before `connect` the view shows the stored state at once.
 * @param bounds how many messages the view keeps; only the first call can set them
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
