// Noise_IK_25519_ChaChaPoly_BLAKE2b (revision 34), both sides: channels between two keys of a room.
// onmeet_node/protocol/wire/noise.py is the nodes'; both are held to tests/vectors/noise.json.
import { join, KEY, SealError, Symmetric, TAG, type Bytes, type Finished, type KeyPair } from "./noise.js";
import { MAX_NOISE_BYTES } from "./tables.js";

const NAME = "Noise_IK_25519_ChaChaPoly_BLAKE2b";

export interface OpenStart {
  /** Ours, which the other side learns. */
  readonly key: KeyPair;
  readonly remoteStatic: Bytes;
  readonly prologue: Bytes;
  readonly ephemeral: KeyPair;
}

/** Who opens: message 1 goes out, `finish` takes the answer. */
export class Opener {
  private constructor(
    private readonly start: OpenStart,
    private readonly state: Symmetric,
  ) {}

  /** Message 1: e, es, s, ss. */
  static async begin(start: OpenStart, payload: Uint8Array): Promise<[Opener, Bytes]> {
    const { key, ephemeral, remoteStatic } = start;
    const state = new Symmetric(NAME, start.prologue, remoteStatic);
    state.mixHash(ephemeral.publicKey);
    state.mixKey(await ephemeral.shared(remoteStatic));
    const sealedKey = state.encrypt(key.publicKey);
    state.mixKey(await key.shared(remoteStatic));
    return [new Opener(start, state), join(ephemeral.publicKey, sealedKey, state.encrypt(payload))];
  }

  /** Message 2: e, ee, se. Rejects with `SealError` if it is not by the one whose key we know. */
  async finish(message: Bytes): Promise<Finished> {
    sized(message, KEY + TAG);
    const { state } = this;
    const remote = message.slice(0, KEY);
    state.mixHash(remote);
    state.mixKey(await this.start.ephemeral.shared(remote));
    state.mixKey(await this.start.key.shared(remote));
    const payload = state.decrypt(message.slice(KEY));
    const [send, receive] = state.split();
    return { payload, send, receive, hash: state.hash };
  }
}

export interface AnswerStart {
  readonly key: KeyPair;
  readonly prologue: Bytes;
  readonly ephemeral: KeyPair;
}

/** Who is opened to: reads message 1, and answers if it likes what it reads. */
export class Answerer {
  private constructor(
    private readonly start: AnswerStart,
    private readonly state: Symmetric,
    private readonly remoteEphemeral: Bytes,
    /** X25519; proven by message 1. */
    readonly remoteStatic: Bytes,
    readonly payload: Bytes,
  ) {}

  /** Message 1. Rejects with `SealError`. */
  static async read(start: AnswerStart, message: Bytes): Promise<Answerer> {
    sized(message, KEY + KEY + TAG + TAG);
    const state = new Symmetric(NAME, start.prologue, start.key.publicKey);
    const remote = message.slice(0, KEY);
    state.mixHash(remote);
    state.mixKey(await start.key.shared(remote));
    const remoteStatic = state.decrypt(message.slice(KEY, KEY + KEY + TAG));
    state.mixKey(await start.key.shared(remoteStatic));
    return new Answerer(start, state, remote, remoteStatic, state.decrypt(message.slice(KEY + KEY + TAG)));
  }

  /** Message 2, and what follows it. */
  async answer(payload: Uint8Array): Promise<[Bytes, Finished]> {
    const { state } = this;
    const { ephemeral } = this.start;
    state.mixHash(ephemeral.publicKey);
    state.mixKey(await ephemeral.shared(this.remoteEphemeral));
    state.mixKey(await ephemeral.shared(this.remoteStatic));
    const message = join(ephemeral.publicKey, state.encrypt(payload));
    const [receive, send] = state.split();
    return [message, { payload: this.payload, send, receive, hash: state.hash }];
  }
}

function sized(message: Bytes, least: number): void {
  if (message.length < least || message.length > MAX_NOISE_BYTES) throw new SealError("of no length of ours");
}
