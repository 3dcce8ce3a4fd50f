// The other implementation of tokens (npm: @cloudflare/privacypass-ts), asked by lines of JSON.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const here = createRequire(new URL('../../../ui/package.json', import.meta.url));
const at = (name) => import(pathToFileURL(here.resolve(name)).href);
const { publicVerif, TokenChallenge, Token } = await at('@cloudflare/privacypass-ts');
const { Client, Issuer, Origin, TokenRequest, BLIND_RSA, BlindRSAMode, getPublicKeyBytes } =
  publicVerif;

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (text) => new Uint8Array(Buffer.from(text, 'hex'));
let client, issuer, keys;

const answers = {
  async request({ issuer, origin, spki }) {
    client = new Client(BlindRSAMode.PSS);
    const challenge = new TokenChallenge(BLIND_RSA.value, issuer, new Uint8Array(), [origin]);
    const request = await client.createTokenRequest(challenge, bytes(spki));
    return { request: hex(request.serialize()), challenge: hex(challenge.serialize()) };
  },
  async finalize({ answer }) {
    const token = await client.finalize(client.deserializeTokenResponse(bytes(answer)));
    return { token: hex(token.serialize()) };
  },
  async generate() {
    keys = await Issuer.generateKey(BlindRSAMode.PSS, {
      modulusLength: 2048,
      publicExponent: Uint8Array.from([1, 0, 1]),
    });
    issuer = new Issuer(BlindRSAMode.PSS, 'issuer.example', keys.privateKey, keys.publicKey);
    return { spki: hex(await getPublicKeyBytes(keys.publicKey)) };
  },
  async issue({ request }) {
    const asked = TokenRequest.deserialize(BLIND_RSA, bytes(request));
    return { answer: hex((await issuer.issue(asked)).serialize()) };
  },
  async verify({ token }) {
    const found = Token.deserialize(BLIND_RSA, bytes(token));
    const origin = new Origin(BlindRSAMode.PSS, ['origin.example']);
    return { good: await origin.verify(found, keys.publicKey) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  console.log(JSON.stringify(await answers[asked.do](asked)));
}
