/** Serves the orders of operators that every node understands. */
import { armFailPoint, disarmFailPoints } from "@carillon/base/node";
import { CarillonError } from "@carillon/protocol";
import type { Bus } from "../connection";
import { type ControlAnswer, nodeControl, type People } from "../contracts/control";
import { serve } from "./rpc";

export interface Controlled {
  /** Returns the state of the node. */
  state(): ControlAnswer;
  /** Hands over the node's work; returns when that has begun. */
  drain(): Promise<void>;
  undrain(): Promise<void>;
  /** Closes connections of a user. @returns their number. Absent at nodes without connections */
  kick?(userId: string, deviceId: string | undefined): number;
  /** Forgets the facts about these users. Absent at nodes that remember none. */
  forget?(people: People): void;
  /** Forgets the failed log-ins of a user. Absent at nodes without log-ins. */
  unlock?(userId: string): void;
}

/** Serves `im.ctl.<role>.<node>`. @returns a function that stops serving */
export function serveControl(bus: Bus, role: string, nodeId: string, node: Controlled): () => void {
  return serve(bus, nodeControl.to(role, nodeId), async (question) => {
    switch (question.ask) {
      case "state":
        break;
      case "drain":
        bus.logger.info("an operator ordered this node to drain");
        await node.drain();
        break;
      case "undrain":
        await node.undrain();
        break;
      case "kick": {
        if (node.kick === undefined) throw new CarillonError("BAD_PAYLOAD", "this node has no connections");
        const kicked = node.kick(question.userId, question.deviceId);
        return { ...node.state(), load: { kicked } };
      }
      case "forget":
        node.forget?.(question);
        break;
      case "unlock":
        node.unlock?.(question.userId);
        break;
      case "failpoint":
        if (question.at === "off") disarmFailPoints();
        else armFailPoint(question.at, true);
        break;
      default:
        throw new CarillonError("BAD_PAYLOAD", "unknown order");
    }
    return node.state();
  });
}
