/** Parts of datagrams, for the attacks over UDP and for the decoders. */
import { PartsWriter } from "@carillon/udp";
import { mutateBytes } from "./mutate";
import type { Random } from "./random";

const EDGES = [0, 1, 1_023, 1_024, 65_535, 65_536, 65_537, 2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1];

/** Makes one to three parts with numbers at edges; half of the time some bytes are changed afterwards. */
export function anyParts(random: Random): Buffer {
  const writer = new PartsWriter();
  const offset = () => (random.chance(0.5) ? random.pick(EDGES) : random.below(5_000));
  for (let i = random.between(1, 3); i > 0; i--) {
    switch (random.below(5)) {
      case 0:
        writer.received(
          offset(),
          Array.from({ length: random.below(9) }, () => ({ from: offset(), to: offset() })),
        );
        break;
      case 1:
        writer.data(offset(), random.bytes(random.below(200)));
        break;
      case 2:
        writer.challenge(random.bytes(8));
        break;
      case 3:
        writer.echo(random.bytes(8));
        break;
      default:
        if (random.chance(0.2)) writer.close(random.below(65_536));
    }
  }
  return random.chance(0.5) ? mutateBytes(random, writer.parts) : Buffer.from(writer.parts);
}
