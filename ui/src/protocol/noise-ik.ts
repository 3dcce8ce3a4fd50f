// Noise (revision 34) IK, hybrid by the hfs modifier, both sides: channels between two keys of a room.
// onmeet_node/protocol/wire/noise.py is the nodes'; both are held to tests/vectors/noise.json.
import { join, type Bytes } from "./bytes.js";
import { KEY, sized, SEALED_KEM, Symmetric, TAG, type Ephemeral, type Finished, type KeyPair } from "./noise.js";
import { KEM_PUBLIC_BYTES } from "./tables.js";

const NAME = "Noise_IKhfs_25519+MLKEM768_ChaChaPoly_BLAKE2b";
/** Where the sealed key of who opens begins, and where it ends. */
const SEALED_KEY = KEY + KEM_PUBLIC_BYTES + TAG;
const PAYLOAD = SEALED_KEY + KEY + TAG;

export interface OpenStart {
  /** Ours, which the other side learns. */
  readonly key: KeyPair;
  readonly remoteStatic: Bytes;
  readonly prologue: Bytes;
  readonly ephemeral: Ephemeral;
}

/** Who opens: message 1 goes out, `finish` takes the answer. */
export class Opener {
  private constructor(
    private readonly start: OpenStart,
    private readonly state: Symmetric,
  ) {}

  /** Message 1: e, es, e1, s, ss. */
  static async begin(start: OpenStart, payload: Uint8Array): Promise<[Opener, Bytes]> {
    const { key, ephemeral, remoteStatic } = start;
    const state = new Symmetric(NAME, start.prologue, remoteStatic);
    state.mixHash(ephemeral.publicKey);
    state.mixKey(await ephemeral.shared(remoteStatic));
    const sealedKem = state.encrypt(ephemeral.kem.publicKey);
    const sealedKey = state.encrypt(key.publicKey);
    state.mixKey(await key.shared(remoteStatic));
    return [new Opener(start, state), join(ephemeral.publicKey, sealedKem, sealedKey, state.encrypt(payload))];
  }

  /** Message 2: e, ee, ekem1, se. Rejects with `SealError` if it is not by the one whose key we know. */
  async finish(message: Bytes): Promise<Finished> {
    sized(message, KEY + SEALED_KEM + TAG);
    const { state } = this;
    const remote = message.slice(0, KEY);
    state.mixHash(remote);
    state.mixKey(await this.start.ephemeral.shared(remote));
    state.ekem1(this.start.ephemeral.kem, message);
    state.mixKey(await this.start.key.shared(remote));
    const payload = state.decrypt(message.slice(KEY + SEALED_KEM));
    const [send, receive] = state.split();
    return { payload, send, receive, hash: state.hash };
  }
}

export interface AnswerStart {
  readonly key: KeyPair;
  readonly prologue: Bytes;
  readonly ephemeral: Ephemeral;
}

/** Who is opened to: reads message 1, and answers if it likes what it reads. */
export class Answerer {
  private constructor(
    private readonly start: AnswerStart,
    private readonly state: Symmetric,
    private readonly remoteEphemeral: Bytes,
    private readonly remoteKem: Bytes,
    /** X25519; proven by message 1. */
    readonly remoteStatic: Bytes,
    readonly payload: Bytes,
  ) {}

  /** Message 1. Rejects with `SealError`. */
  static async read(start: AnswerStart, message: Bytes): Promise<Answerer> {
    sized(message, PAYLOAD + TAG);
    const state = new Symmetric(NAME, start.prologue, start.key.publicKey);
    const remote = message.slice(0, KEY);
    state.mixHash(remote);
    state.mixKey(await start.key.shared(remote));
    const remoteKem = state.decrypt(message.slice(KEY, SEALED_KEY));
    const remoteStatic = state.decrypt(message.slice(SEALED_KEY, PAYLOAD));
    state.mixKey(await start.key.shared(remoteStatic));
    return new Answerer(start, state, remote, remoteKem, remoteStatic, state.decrypt(message.slice(PAYLOAD)));
  }

  /** Message 2, and what follows it. */
  async answer(payload: Uint8Array): Promise<[Bytes, Finished]> {
    const { state } = this;
    const { ephemeral } = this.start;
    state.mixHash(ephemeral.publicKey);
    state.mixKey(await ephemeral.shared(this.remoteEphemeral));
    const [ciphertext, secret] = ephemeral.kem.encapsulate(this.remoteKem);
    const sealedKem = state.encrypt(ciphertext);
    state.mixKey(secret);
    state.mixKey(await ephemeral.shared(this.remoteStatic));
    const message = join(ephemeral.publicKey, sealedKem, state.encrypt(payload));
    const [receive, send] = state.split();
    return [message, { payload: this.payload, send, receive, hash: state.hash }];
  }
}
