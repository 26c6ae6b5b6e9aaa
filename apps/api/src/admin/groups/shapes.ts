/** Bodies of the requests and answers about groups that operators and other systems change. */
import { MOST_MEMBERS_AT_ONCE } from "@carillon/operations";
import { Type } from "typebox";
import { strict, userId } from "../../http/shapes";

export const membersBody = strict({
  userIds: Type.Array(userId, { minItems: 1, maxItems: MOST_MEMBERS_AT_ONCE }),
});

export const added = Type.Object({
  items: Type.Array(
    Type.Object({
      userId: Type.String(),
      state: Type.Enum(["joined", "member", "full", "no-such-user"], {
        description: "`member`: belonged to it before; `full`: the group has no room",
      }),
    }),
  ),
});

export const removed = Type.Object({
  items: Type.Array(
    Type.Object({
      userId: Type.String(),
      state: Type.Enum(["removed", "absent", "owner"], {
        description: "`absent`: did not belong to it; `owner`: transfer the group first",
      }),
    }),
  ),
});
