// The app in a room without a node: others are peer connections of this page, whose pictures are
// drawn. Served by `npx vite` as /harness/room.html?n=5; no build contains it.
import { Client, type Question } from "../src/node/client.js";
import { provide } from "../src/elements/context.js";
import type { FromNode, FromPage, Participant, Person, RoomShown, Rooms } from "../src/node/messages.js";
import { texts as appTexts } from "../src/i18n/app/index.js";
import { texts as aloneTexts } from "../src/i18n/call/alone/index.js";
import { texts as insideTexts } from "../src/i18n/call/inside/index.js";
import { texts as callTexts } from "../src/i18n/call/index.js";
import { beginLanguage, provide as provideTexts } from "../src/i18n/index.js";
import { texts as roomTexts } from "../src/i18n/room/index.js";
import { texts as troubleTexts } from "../src/i18n/trouble/index.js";

const ROOM = "cd".repeat(16);
const NAMES = ["Amélie Dubois", "Jonas Weber", "سارة الخطيب", "Wei Chen", "Priya Raghunathan-Venkatasubramaniam", "Tom", "Ngozi Okafor", "Lea", "Max", "Ida", "Bo"];
const query = new URLSearchParams(location.search);
const number = (name: string, otherwise: number) => Number(query.get(name) ?? otherwise);

/** A head that moves, on a ground of its own colour; or a page of text, as a shared screen. */
function picture(n: number, screen: boolean): MediaStream {
  const canvas = document.createElement("canvas");
  const portrait = n % 4 === 3 && !screen;
  [canvas.width, canvas.height] = screen ? [1_280, 800] : portrait ? [360, 640] : [640, 360];
  const draw = canvas.getContext("2d")!;
  const paint = () => {
    const { width: w, height: h } = canvas;
    const now = performance.now() / 1_000;
    if (screen) {
      draw.fillStyle = "#fff";
      draw.fillRect(0, 0, w, h);
      draw.fillStyle = "#223";
      draw.font = "28px sans-serif";
      for (let line = 0; line < 16; line++) draw.fillText(`${line + 1}.  ${"figures ".repeat(3 + ((line * 7) % 6))}`, 60, 80 + line * 44);
      draw.fillRect(60 + ((now * 200) % 1_000), h - 30, 60, 10);
      return;
    }
    const ground = draw.createLinearGradient(0, 0, w, h);
    ground.addColorStop(0, `hsl(${n * 47} 35% 62%)`);
    ground.addColorStop(1, `hsl(${n * 47 + 40} 40% 30%)`);
    draw.fillStyle = ground;
    draw.fillRect(0, 0, w, h);
    const [x, y] = [w / 2 + Math.sin(now + n) * w * 0.04, h * 0.45];
    draw.fillStyle = `hsl(${n * 80} 40% 25%)`;
    draw.beginPath();
    draw.ellipse(x, h * 1.05, w * (portrait ? 0.4 : 0.24), h * 0.35, 0, 0, 7);
    draw.fill();
    draw.fillStyle = "#e8b990";
    draw.beginPath();
    draw.ellipse(x, y, Math.min(w, h) * 0.17, Math.min(w, h) * 0.22, 0, 0, 7);
    draw.fill();
  };
  paint();
  setInterval(paint, 66);
  return canvas.captureStream(15);
}

class FakeNode extends Client {
  readonly others = new Map<number, RTCPeerConnection>();
  readonly told: FromPage[] = [];
  room: RoomShown | null = null;
  more: Omit<Rooms, "t" | "rooms"> = { invitations: [], meetings: [] };
  #audio = new AudioContext();
  readonly gains = new Map<number, GainNode>();

  hearNow(message: FromNode): void {
    this.take(message);
  }

  show(change: Partial<RoomShown> = {}): void {
    if (this.room !== null) this.room = { ...this.room, ...change };
    this.take({ t: "rooms", rooms: this.room === null ? [] : [this.room], ...this.more });
  }

  person(n: number, change: Partial<Participant>): void {
    this.show({ people: this.room!.people.map((one, at) => (at === n ? { ...one, ...change } : one)) });
  }

  override async ask(question: Question): Promise<never> {
    const id = 1;
    this.told.push({ ...question, id });
    switch (question.t) {
      case "draw-qr":
        return { t: "qr", id, rows: Array.from({ length: 25 }, (_, y) => [...Array(25).keys()].map((x) => ((x * 7 + y * 13 + x * y) % 3 === 0 ? "1" : "0")).join("")) } as never;
      case "link-to-room":
        this.show({ link: "https://gateway.example/j#AaBbCcDdEeFf0123456789AaBbCcDdEeFf0123456789AaBbCcDdEeFf0123456789" });
        return { t: "room-link", id, url: this.room!.link! } as never;
      case "invite-to-room":
        return { t: "invited", id, delivered: true } as never;
      case "new-room":
      case "join-room":
        begin(number("n", 3));
        return { t: "room-made", id, room: ROOM } as never;
      case "plan-meeting":
        return { t: "calendar", id, name: "meeting.ics", text: "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n" } as never;
      case "say-in-room": {
        const me = this.room!.people.find((one) => one.me)!;
        this.take({ t: "room-line", room: ROOM, key: me.key, name: me.name, mine: true, text: question.text, to: question.to ?? null });
        break;
      }
      case "change-room":
        if (question.action === "leave" || question.action === "end") {
          this.room = null;
          this.take({ t: "room-over", room: ROOM, title: "Planning", reason: question.action === "end" ? "ended" : "left", sentence: "You left." });
          this.show();
        } else if (question.action.endsWith("hand")) {
          const at = this.room!.people.findIndex((one) => one.me);
          this.person(at, { hand: question.action === "raise-hand" });
        } else if (question.action === "move-here") this.show({ page: 1 });
        else this.show({ locked: question.action === "lock" });
        break;
      case "change-seat": {
        const at = this.room!.people.findIndex((one) => one.key === question.key);
        if (question.action === "admit" || question.action === "deny")
          this.show({ knocking: this.room!.knocking.filter((one) => one.key !== question.key) });
        else if (question.action === "hide" || question.action === "show") this.person(at, { hidden: question.action === "hide" });
        else if (question.action === "promote" || question.action === "demote")
          this.person(at, { role: question.action === "promote" ? "co-host" : "member" });
        else if (question.action === "remove") this.show({ people: this.room!.people.filter((_, n) => n !== at) });
        break;
      }
      default: // what these screens do not ask
        break;
    }
    return { t: "done", id } as never;
  }

  override tell(message: FromPage): void {
    this.told.push(message);
    if (message.t === "described") void this.#described(message.session, message.sdp);
    if (message.t === "found")
      for (const one of message.candidates ?? [])
        void this.others.get(message.session)?.addIceCandidate({ candidate: one.candidate, sdpMid: one.mid ?? null, sdpMLineIndex: one.index ?? null });
    if (message.t === "react-in-room") {
      const me = this.room!.people.find((one) => one.me)!;
      this.take({ t: "room-reaction", room: ROOM, key: me.key, name: me.name, emoji: message.emoji });
    }
  }

  /** Meets somebody: offered by the page, answered here. */
  meet(n: number, call: string, screen: boolean): void {
    const pc = new RTCPeerConnection();
    this.others.set(n, pc);
    const sound = this.#audio.createMediaStreamDestination();
    const [tone, gain] = [this.#audio.createOscillator(), this.#audio.createGain()];
    gain.gain.value = n === number("speaks", 1) ? 0.3 : 0;
    this.gains.set(n, gain);
    tone.frequency.value = 180 + n * 40;
    tone.connect(gain).connect(sound);
    tone.start();
    pc.addTrack(sound.stream.getAudioTracks()[0]!);
    pc.addTrack(picture(n, screen).getVideoTracks()[0]!);
    pc.createDataChannel("onmeet", { negotiated: true, id: 0 });
    pc.onicecandidate = ({ candidate }) =>
      candidate && this.take({ t: "take-candidates", session: n, candidates: [{ candidate: candidate.candidate, mid: candidate.sdpMid, index: candidate.sdpMLineIndex }], end: false });
    this.take({ t: "open-media", session: n, call, kinds: ["audio", "video"], servers: [], relay_only: false, room: ROOM, carry: true });
    this.take({ t: "make-offer", session: n });
    this.take({ t: "attach-media", session: n, kinds: ["audio", "video"] });
  }

  async #described(session: number, sdp: string): Promise<void> {
    const pc = this.others.get(session)!;
    await pc.setRemoteDescription({ type: "offer", sdp });
    await pc.setLocalDescription(await pc.createAnswer());
    this.take({ t: "take-answer", session, sdp: pc.localDescription!.sdp });
  }
}

const node = new FakeNode({
  connect: () => ({}) as WebSocket,
  fetch,
  storage: sessionStorage,
  takeCode: () => null,
  browserKey: () => Promise.resolve(null),
  later: setTimeout,
  language: "en",
});
const key = (n: number) => n.toString(16).padStart(2, "0").repeat(32);
const call = (n: number) => n.toString(16).padStart(2, "0").repeat(16);
const CARD = { name: null, country: null, phone: null, email: null };

function person(n: number): Participant {
  const me = n === 0;
  return {
    key: key(n),
    name: me ? "Björn Berg" : NAMES[(n - 1) % NAMES.length]!,
    role: me ? "host" : n === 2 ? "co-host" : n === 4 ? "guest" : "member",
    me,
    here: true,
    media: true,
    seen: true,
    hand: n === 3,
    muted: n === 2 || n === 6,
    camera_off: n === 4,
    sharing: String(n) === query.get("share"),
    path: me ? null : "host",
    call: me ? null : call(n),
    session: me ? null : n,
    hidden: false,
    identity: n === 1 ? key(0xa1) : null,
    verified: n === 1,
    card: n === 1 ? { ...CARD, country: "FR", phone: "+33 1 23 45 67 89", email: "amelie@example.org" } : CARD,
  };
}

function begin(n: number): void {
  node.room = {
    room: ROOM,
    title: "Planning",
    state: query.has("knocking") ? "knocking" : "in",
    page: query.has("elsewhere") ? 2 : 1,
    role: "host",
    locked: false,
    knock: true,
    string: "0482 1193 7760",
    since: Math.floor(Date.now() / 1_000) - 754,
    standing: true,
    code: "onmeet-room:0123456789abcdef0123456789abcdef@onmeet:4XK7-2M9P-QQRT-88AB",
    link: null,
    people: Array.from({ length: n }, (_, one) => person(one)),
    knocking: [],
    warnings: [],
  };
  node.show();
  if (node.room.state === "in" && node.room.page === 1) for (let one = 1; one < n; one++) node.meet(one, call(one), String(one) === query.get("share"));
}

provideTexts(callTexts, aloneTexts, insideTexts, appTexts, roomTexts, troubleTexts);
if (query.has("lang")) localStorage.setItem("onmeet-language", query.get("lang")!);
else localStorage.removeItem("onmeet-language");
provide(node, sessionStorage);
await import("../src/app/elements.js");
beginLanguage();
const home = { t: "home", phase: "running", reachable: true, bootstraps: 2, trouble: null } as unknown as FromNode;
const contact = (n: number, name: string) =>
  ({ identity: key(n), name, status: "accepted", picture: null, connected: true, verified: true, last_seen: null, favourite: false, sees: [], card: CARD }) as unknown as Person;
node.hearNow({ t: "welcome", page: 1, release: "1", keyring: false });
node.hearNow(home);
node.hearNow({ t: "me", fields: [], picture: null, reach: "codes", busy: "tell", relay_only: false } as unknown as FromNode);
node.hearNow({ t: "people", people: [contact(0xa1, "Amélie (work)"), contact(0xa2, "Grandpa"), contact(0xa3, "Zoë")], codes: [] });
node.hearNow({ t: "calls", calls: [] });
if (query.has("section"))
  node.more = {
    invitations: [{ room: "ee".repeat(16), title: "Choir", identity: key(0xa2), name: "Grandpa" }],
    meetings: [{ title: "Weekly planning", code: "onmeet-room:0123" }, { title: "Book club", code: "onmeet-room:4567" }],
  };
if (query.has("section")) node.show();
else begin(number("n", 3));
document.body.prepend(document.createElement("om-app"));
Object.assign(window, { node, ROOM, key });
