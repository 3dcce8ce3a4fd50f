// The page's room machines for the tests of the node's (tests/protocol/room/page.py): one line of JSON
// in for each event of one of them, one out with its effects. It decodes and packs messages as a page does.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { hex, pack } from "../src/protocol/guest-messages.js";
import type { Effect } from "../src/protocol/room-effects.js";
import { Room } from "../src/protocol/room-machine.js";
import { unhex, unpack, type Key } from "../src/protocol/room-messages.js";
import type { Bytes } from "../src/protocol/bytes.js";

interface Asked {
  readonly who: number;
  readonly do: string;
  /** Milliseconds that never go back. */
  readonly now: number;
  readonly key?: Key;
  readonly me?: Key;
  readonly room?: string;
  readonly name?: string;
  readonly video?: boolean;
  readonly up?: boolean;
  readonly text?: string;
  /** A message, as it travels, in hex. */
  readonly data?: string;
}

const machines = new Map<number, Room>();

/** The same nonces for the same machine, as the test can be run again. */
function nonces(me: Key): (bytes: number) => Bytes {
  let count = 0;
  return (bytes) => new Uint8Array(createHash("sha512").update(`${me} ${++count}`).digest()).slice(0, bytes);
}

function act(asked: Asked): Effect[] {
  const { now, key = "" } = asked;
  if (asked.do === "join") {
    const knock = { room: unhex(asked.room!), host: key, name: asked.name!, video: asked.video! };
    const machine = new Room(asked.me!, knock, now, nonces(asked.me!));
    machines.set(asked.who, machine);
    return machine.tick(now);
  }
  const machine = machines.get(asked.who)!;
  switch (asked.do) {
    case "opened":
      return machine.opened(key, now);
    case "lost":
      return machine.lost(key, now);
    case "received":
      return machine.received(key, unpack(unhex(asked.data!)), now);
    case "media":
      return machine.media(key, asked.up!, now);
    case "called":
      return machine.called(key, now);
    case "call-over":
      return machine.callOver(key, now);
    case "leave":
      return machine.leave(now);
    case "raise-hand":
      return machine.raiseHand(asked.up!, now);
    case "say":
      return machine.say(asked.text!, key || null, now) ?? [];
    case "tick":
      return machine.tick(now);
    default:
      throw new Error(`no such event: ${asked.do}`);
  }
}

function told(effect: Effect): Record<string, unknown> {
  switch (effect.do) {
    case "send":
      return { do: "send", to: effect.to, data: hex(pack(effect.message)) };
    case "string-ready":
      return { do: effect.do, digest: effect.digest, nonces: [...effect.nonces].map(([key, nonce]) => [key, hex(nonce)]) };
    case "roster-changed":
      return { do: effect.do, removed: effect.roster.removed };
    case "lent":
      return { do: "lent" };
    default:
      return effect;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line) as Asked;
  const effects = act(asked).map(told);
  const machine = machines.get(asked.who)!;
  const { roster } = machine;
  const answer = {
    effects,
    next: machine.nextTimeout,
    over: machine.over,
    phase: machine.phase,
    digest: roster?.digest ?? null,
    host: roster?.host ?? null,
    seats: roster?.seats ?? null,
    removed: roster?.removed ?? null,
    media: roster?.seats.filter((seat) => machine.other(seat.key)?.media).map((seat) => seat.key) ?? [],
  };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
