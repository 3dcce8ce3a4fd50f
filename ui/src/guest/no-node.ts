// A page without a node behind it: one whose link cannot be read, and what a guest's own small node is made of.
import { Client } from "../node/client.js";

export class NoNode extends Client {
  constructor() {
    const none = () => {
      throw new Error("a guest has no node");
    };
    super({
      connect: none,
      fetch: none,
      storage: { getItem: () => null, setItem: () => undefined, removeItem: () => undefined },
      takeCode: () => null,
      browserKey: () => Promise.resolve(null),
      later: none,
      language: "en",
    });
  }
}
