// The messages of the page as bytes and back: msgpack maps, as onmeet_node/protocol/wire/codec.py has them.
import { decode, encode } from "@msgpack/msgpack";
import { MAX_NODE_BYTES, MAX_PAGE_BYTES, type FromNode, type FromPage } from "./messages.js";
import { MAX_LINE_BYTES, MAX_TEXT_CHARS } from "../protocol/tables.js";

/** The bytes of a message to the node. Throws RangeError if it is too long. */
export function pack(message: FromPage): Uint8Array<ArrayBuffer> {
  const data = encode(message, { ignoreUndefined: true });
  if (data.length > MAX_PAGE_BYTES) throw new RangeError(`a ${message.t} is too long`);
  return new Uint8Array(data);
}

/** What the node says. The node is trusted with shapes: it encodes from the same definitions. */
export function unpack(data: ArrayBuffer): FromNode {
  if (data.byteLength > MAX_NODE_BYTES) throw new RangeError("the node said too much at once");
  const message: unknown = decode(data);
  if (typeof message !== "object" || message === null || typeof (message as FromNode).t !== "string")
    throw new TypeError("that is no message");
  return message as FromNode;
}

/** A line of the other side; `number` null: they ask for no confirmation. */
export interface Heard {
  readonly text: string;
  readonly number: number | null;
}

/** A line of chat for the call's data channel (docs/PROTOCOL, Media). */
export function packChat(text: string, number: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encode({ t: "chat", text: text.slice(0, MAX_TEXT_CHARS), number }));
}

/** Confirms a line. */
export function packTaken(number: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encode({ t: "chat-taken", number }));
}

const isNumber = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;

/** A line, the number of one of ours that has arrived, or null for whatever is neither: it comes from the peer. */
export function unpackChat(data: unknown): Heard | number | null {
  if (!(data instanceof ArrayBuffer) || data.byteLength > MAX_LINE_BYTES) return null;
  try {
    const message = decode(data) as { t?: unknown; text?: unknown; number?: unknown } | null;
    const number = message?.number ?? null;
    if (number !== null && !isNumber(number)) return null;
    if (message?.t === "chat-taken") return number;
    if (message?.t !== "chat" || typeof message.text !== "string") return null;
    return message.text.length > 0 && message.text.length <= MAX_TEXT_CHARS ? { text: message.text, number } : null;
  } catch {
    return null;
  }
}
