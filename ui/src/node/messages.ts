// Made from onmeet_node/web/messages/ by: python -m onmeet_node.web.typescript
// A test compares the two; change the Python and run it again.

export const VERSION = 1;
export const MAX_PAGE_BYTES = 65519;
export const MAX_NODE_BYTES = 2097152;

/** What opens the home at each start. */
export type Keeper = "passphrase" | "keyring" | "key-file";

/** A kind of media that a call carries. */
export type Kind = "audio" | "video";

/** What may be done about a person. */
export type PersonAction = "accept" | "ignore" | "block" | "unblock" | "remove" | "mark-verified" | "favourite" | "no-favourite";

/** Who sees a field. */
export type Share = "everyone" | "contacts" | "nobody";

/** Whom this person is reachable by. */
export type ReachPolicy = "anyone" | "codes" | "contacts";

/** What a caller learns while we are in another call. */
export type Busy = "tell" | "hide";

/** The fields of a profile. */
export type Field = "name" | "country" | "phone" | "email" | "picture";

/** What may be done about a call. */
export type CallAction = "decline" | "silence" | "hang-up" | "move-here" | "restart-media";

/** What may be done about a room as a whole. */
export type RoomAction = "lock" | "unlock" | "raise-hand" | "lower-hand" | "leave" | "end" | "move-here";

/** What may be done about one participant, or somebody at the door. */
export type SeatAction = "admit" | "deny" | "remove" | "ask-mute" | "promote" | "demote" | "hide" | "show";

/** How large a picture is shown where it is received. */
export type PictureSize = "none" | "small" | "large";

/** Of a meeting in a calendar. */
export type Repeats = "once" | "daily" | "weekly";

/** How media travels: the type of our candidate in the nominated pair (RFC 8445). */
export type MediaPath = "host" | "srflx" | "relay";

/** How far the node is. */
export type Phase = "new" | "locked" | "starting" | "running" | "stopped";

/** Why a call ended, as told to the person and kept in the history (P14). */
export type EndReason = "hung-up" | "peer-hung-up" | "cancelled" | "missed" | "declined" | "peer-declined" | "peer-busy" | "busy" | "no-answer" | "not-reachable" | "answered-elsewhere" | "superseded" | "media-failed" | "connection-lost" | "peer-error" | "shutdown" | "fault";

/** What a person wants to be told of besides calls. */
export type Happening = "contact-request" | "contact-accepted" | "missed-call" | "recording-stopped";

/** Why a room is over for us. */
export type RoomEnd = "left" | "ended" | "removed" | "denied" | "full" | "locked" | "host-gone" | "no-answer" | "lost" | "fault";

/** How a person stands to us. */
export type ContactStatus = "accepted" | "requested-by-us" | "requested-by-them" | "blocked" | "ignored" | "stranger";

/** The states of a call: PROTOCOL, "Calls", has their picture. */
export type State = "dialing" | "ringing-out" | "ringing-in" | "connecting" | "connected" | "reconnecting" | "ended";

/** What a caller knows of the ringing. All but `SENT` are the callee's own words (`RingState`):
 * nothing here may make a caller believe that a phone rings which does not (P14).
 */
export type Ring = "sent" | "delivered" | "alerting" | "silenced";

/** Why a generation has no authentication string, and will have none. */
export type StringDoubt = "missing" | "wrong" | "too-many";

/** How far we are in. */
export type RoomState = "knocking" | "in";

/** What somebody may do in a room. */
export type Role = "host" | "co-host" | "member" | "guest";

/** Another value of one field of the profile, and who may see it; None: as it is. */
export interface FieldChange {
  name: Field;
  value?: string | null;
  share?: Share | null;
}

/** One ICE candidate, as in RFC 8839 ``a=candidate:`` without the ``a=``. */
export interface Candidate {
  candidate: string;
  mid?: string | null;
  index?: number | null;
}

/** One kind of media since the session began; as `media.endpoint.StreamStats`. */
export interface StreamCounters {
  kind: Kind;
  frames_sent?: number;
  frames_decoded?: number;
  frames_concealed?: number;
  packets_sent?: number;
  packets_received?: number;
  packets_lost?: number;
  bytes_sent?: number;
  bytes_received?: number;
  jitter_ms?: number;
  round_trip_ms?: number | null;
}

/** Candidate pairs of one kind: ``host/udp`` and so on; as `media.report.PairReport`. */
export interface PairSeen {
  local: string;
  remote: string;
  state: string;
  count?: number;
}

/** What came of asking one STUN or TURN server; as `media.report.ServerReport`. */
export interface ServerSeen {
  kind: string;
  worked: boolean;
  error?: string;
}

/** One field of the profile and who may see it. */
export interface FieldShown {
  name: Field;
  value: string;
  share: Share;
}

/** Somebody we know, or who asks. `name` is cleaned like a card's. */
export interface Person {
  identity: string;
  name: string;
  status: ContactStatus;
  verified: boolean;
  favourite: boolean;
  last_seen: number | null;
  connected: boolean;
  note: string | null;
  code: string | null;
  card: CardShown;
  picture: string | null;
  sees: FieldSeen[];
}

/** A live contact code. `expires`: Unix seconds. */
export interface Code {
  label: string;
  uri: string;
  expires: number | null;
  direct: boolean;
}

/** A call that is going on. `page`: whose devices it uses; None: no page's. */
export interface CallShown {
  call: string;
  identity: string;
  name: string;
  outgoing: boolean;
  state: State;
  ring: Ring | null;
  kinds: Kind[];
  began: number;
  answered: number | null;
  path: MediaPath | null;
  region: string | null;
  sas: string | null;
  doubt: StringDoubt | null;
  chats: boolean;
  compares: boolean;
  ask: boolean;
  compared: boolean | null;
  peer_compared: boolean | null;
  page: number | null;
  session: number | null;
  peer_media: PeerMedia | null;
}

/** A guest link that lets guests in. `url` is the secret itself. */
export interface LinkShown {
  link: string;
  title: string;
  url: string;
  once: boolean;
  knock: boolean;
  expires: number | null;
  open: boolean;
}

/** A guest at the door, or in the call. */
export interface GuestShown {
  guest: string;
  name: string;
  title: string;
  inside: boolean;
}

/** An ended call, as `history.list` tells it. `report`: the ICE report as JSON. */
export interface PastCall {
  call: string;
  identity: string;
  name: string;
  outgoing: boolean;
  started: number;
  seconds: number;
  reason: EndReason | null;
  sentence: string;
  path: MediaPath | null;
  region: string | null;
  note: string | null;
  report: string | null;
  receipts: ReceiptShown[];
  code: string | null;
}

/** One line of ``onmeet doctor``. `grade`: ``good``, ``note`` or ``bad``. */
export interface Finding {
  grade: string;
  sentence: string;
  remedy: string | null;
}

/** One device of this person. `since`: Unix seconds, 0: not known. */
export interface OwnDevice {
  key: string;
  name: string;
  since: number;
  holds_identity: boolean;
  here: boolean;
}

/** A room we are in, or at whose door we are. `page`: whose devices it uses; None: no page's. */
export interface RoomShown {
  room: string;
  title: string;
  state: RoomState;
  page: number | null;
  role: Role | null;
  locked: boolean;
  knock: boolean;
  string: string | null;
  since: number;
  standing: boolean;
  code: string | null;
  link: string | null;
  people: Participant[];
  knocking: Knocker[];
  warnings: string[];
}

/** Somebody asks us into a room. */
export interface Invitation {
  room: string;
  title: string;
  identity: string;
  name: string;
}

/** A standing meeting of ours, and what leads into it. */
export interface Meeting {
  title: string;
  code: string;
}

/** A STUN or TURN server (RFC 7064, 7065). */
export interface Server {
  url: string;
  username: string | null;
  credential: string | null;
}

/** What a person shows us of themselves. Cleaned: no control or direction characters. */
export interface CardShown {
  name: string | null;
  country: string | null;
  phone: string | null;
  email: string | null;
}

/** A field of ours that one contact sees, or not, whatever other contacts do. */
export interface FieldSeen {
  name: Field;
  shown: boolean;
}

/** What the other side sends. */
export interface PeerMedia {
  muted: boolean;
  camera_off: boolean;
  sharing: boolean;
}

/** What a bootstrap signed to have released. `signed` False: it gave no receipt. */
export interface ReceiptShown {
  operator: string;
  signed: boolean;
  circuits: number;
  guests: number;
  credentials: number;
  size: number;
  held: number;
}

/** Somebody in a room. `key` names them there. */
export interface Participant {
  key: string;
  name: string;
  role: Role;
  me: boolean;
  here: boolean;
  media: boolean;
  seen: boolean;
  hand: boolean;
  muted: boolean;
  camera_off: boolean;
  sharing: boolean;
  path: MediaPath | null;
  call: string | null;
  session: number | null;
  hidden: boolean;
  identity: string | null;
  verified: boolean;
  card: CardShown;
}

/** Somebody at the door, whom we may let in. */
export interface Knocker {
  key: string;
  name: string;
}

/** First message of a page. `token`: from ``POST /session`` (64 hex digits). */
export interface Hello {
  t: "hello";
  version: number;
  token: string;
  language?: string;
}

/** The person looks at this page now: calls ring here first. */
export interface Focus {
  t: "focus";
}

/** Whether a call here makes a sound or shows a notification, for who does not look at it.
 *
 * Until a page has said so, it is taken for one that makes no sound and shows nothing.
 */
export interface Noticeable {
  t: "noticeable";
  noticeable: boolean;
}

/** First run. `passphrase` only with that keeper. Answered with `Done`. */
export interface CreateHome {
  t: "create-home";
  id?: number;
  name: string;
  keeper: Keeper;
  passphrase?: string | null;
}

/** First run of somebody who has On-Meet already: this becomes one of their devices. Told by
 * `LinkCodeShown` and `LinkWords`, answered with `Done`. `bootstrap`: one that the other uses.
 */
export interface LinkHome {
  t: "link-home";
  id?: number;
  keeper: Keeper;
  passphrase?: string | null;
  bootstrap?: string | null;
}

/** Opens the home. Answered with `Done`, or `Refused` for a wrong passphrase. */
export interface UnlockHome {
  t: "unlock-home";
  id?: number;
  passphrase: string;
}

/** Makes a contact code. `days` 0: for good. `direct`: its holders see this node's addresses. */
export interface NewCode {
  t: "new-code";
  id?: number;
  label?: string | null;
  days?: number;
  direct?: boolean;
  settle?: boolean;
}

/** A spoken code, told at once (`code-said`); answered when whoever types it is added, and has
 * added us. It ends with this request.
 */
export interface SayCode {
  t: "say-code";
  id?: number;
  label?: string | null;
  name?: string | null;
}

/** The spoken code that this page shows is taken back. Answered with `Done`. */
export interface StopSaying {
  t: "stop-saying";
  id?: number;
}

/** Ends a contact code at once. `drop`: its pending requests are erased with it. */
export interface RevokeCode {
  t: "revoke-code";
  id?: number;
  label: string;
  drop?: boolean;
}

/** Makes a guest link. `seconds` 0: it works until it is closed.
 *
 * `once`: for one guest. `knock`: the person admits each guest.
 */
export interface NewLink {
  t: "new-link";
  id?: number;
  title?: string;
  seconds?: number;
  once?: boolean;
  knock?: boolean;
}

/** Ends a guest link (the start of its id, or its title) at once. */
export interface CloseLink {
  t: "close-link";
  id?: number;
  link: string;
}

/** Lets a guest in who knocks; None: the only one. */
export interface AdmitGuest {
  t: "admit-guest";
  id?: number;
  guest?: string | null;
  kinds: Kind[];
  relay_only?: boolean;
}

/** Sends a guest away, from the door or out of the call; None: the only one. */
export interface SendGuestAway {
  t: "send-guest-away";
  id?: number;
  guest?: string | null;
  close_link?: boolean;
}

/** Whose code is this? */
export interface ReadCode {
  t: "read-code";
  id?: number;
  code: string;
}

/** A QR code of this text. */
export interface DrawQr {
  t: "draw-qr";
  id?: number;
  text: string;
}

/** Adds somebody by their code, a contact code or one that they say now, and asks them; looks
 * for them for 10 s at most.
 */
export interface AddContact {
  t: "add-contact";
  id?: number;
  code: string;
  name?: string | null;
  note?: string | null;
}

/** Does something about a person. To accept or ignore, they are sought among those who ask. */
export interface ChangePerson {
  t: "change-person";
  id?: number;
  who: string;
  action: PersonAction;
}

/** How a person is called here; empty: as they call themselves. */
export interface RenamePerson {
  t: "rename-person";
  id?: number;
  who: string;
  name: string;
}

/** Is this person reachable now? Looks for 10 s at most. */
export interface LookFor {
  t: "look-for";
  id?: number;
  who: string;
}

/** The safety number to compare with a person. `matches`: it was, and is the same. */
export interface Verify {
  t: "verify";
  id?: number;
  who: string;
  matches?: boolean;
}

/** Changes of the profile what is given, and tells all of it. */
export interface ChangeProfile {
  t: "change-profile";
  id?: number;
  fields?: FieldChange[];
  picture_share?: Share | null;
  reach?: ReachPolicy | null;
  busy?: Busy | null;
}

/** Another picture of the person (a JPEG), or none. */
export interface SetPicture {
  t: "set-picture";
  id?: number;
  data?: Uint8Array | null;
}

/** A picture of somebody, by the name that their card gives it. */
export interface GetPicture {
  t: "get-picture";
  id?: number;
  picture: string;
}

/** Whether one contact sees a field; None: as all contacts do. */
export interface ShowTo {
  t: "show-to";
  id?: number;
  who: string;
  name: Field;
  shown?: boolean | null;
}

/** The devices of this person. */
export interface ListDevices {
  t: "list-devices";
  id?: number;
}

/** Takes a device off the list for good: contacts refuse it once they have the new list. */
export interface RevokeDevice {
  t: "revoke-device";
  id?: number;
  device: string;
}

/** Links the new device that says this code: its words are told (`link-words`), and what
 * `confirm-device` says of them is waited for.
 */
export interface AddDevice {
  t: "add-device";
  id?: number;
  code: string;
}

/** Whether the words of the device that is being linked are the same on both. */
export interface ConfirmDevice {
  t: "confirm-device";
  id?: number;
  yes: boolean;
}

/** Changes of the settings what is given, and tells all of them.
 *
 * `region`: ``ca``, ``de`` or ``any``.
 */
export interface ChangeSettings {
  t: "change-settings";
  id?: number;
  relay_only?: boolean | null;
  region?: string | null;
  add_bootstrap?: string | null;
  remove_bootstrap?: string | null;
}

/** Calls somebody, with this page's devices. The call lives on when the page is gone. */
export interface Dial {
  t: "dial";
  id?: number;
  who: string;
  kinds: Kind[];
  relay_only?: boolean;
}

/** Takes the ringing call: the one of this id, or the only one. `kinds` None: as they call. */
export interface Take {
  t: "take";
  id?: number;
  call?: string | null;
  kinds?: Kind[] | null;
  relay_only?: boolean;
}

/** Does something about a call. `note`: with ``decline``, a line for the caller. */
export interface ChangeCall {
  t: "change-call";
  id?: number;
  call?: string | null;
  action: CallAction;
  note?: string | null;
}

/** What this page sends in a call now; the other side is told. */
export interface TellMedia {
  t: "tell-media";
  call: string;
  muted: boolean;
  camera_off: boolean;
  sharing: boolean;
}

/** What of a call or a room (`target`) shall outlive this page; what is absent stays as it was.
 *
 * The node hands it to the page that goes on with it: see `Kept`.
 */
export interface Keep {
  t: "keep";
  target: string;
  muted?: boolean | null;
  camera_off?: boolean | null;
  held?: boolean | null;
  draft?: string | null;
  draft_to?: string | null;
  camera?: string | null;
  microphone?: string | null;
  speaker?: string | null;
}

/** Says of a call's authentication string that the other one reads out the same, or another.
 *
 * A contact of whom both said `same` is verified.
 */
export interface CompareString {
  t: "compare-string";
  id?: number;
  call?: string | null;
  same: boolean;
}

/** Past calls, newest first. */
export interface ReadHistory {
  t: "read-history";
  id?: number;
  limit?: number;
}

/** Deletes one call, or all (None), for good. */
export interface DeleteHistory {
  t: "delete-history";
  id?: number;
  call?: string | null;
}

/** What works from here and what does not, with remedies: ``onmeet doctor``. */
export interface Examine {
  t: "examine";
  id?: number;
}

/** Deletes this home for good; `name` is the person's own, typed as a confirmation. */
export interface DeleteEverything {
  t: "delete-everything";
  id?: number;
  name: string;
}

/** Another window that shows this number may open the app, or not. */
export interface LetIn {
  t: "let-in";
  id?: number;
  asking: string;
  let_in: boolean;
}

/** Makes a room of our own.
 *
 * `standing`: the title names a standing meeting, whose room code stays from time to time. `name`:
 * ours in it; None: as in the profile.
 */
export interface NewRoom {
  t: "new-room";
  id?: number;
  title?: string;
  standing?: boolean;
  knock?: boolean;
  kinds: Kind[];
  name?: string | null;
  relay_only?: boolean;
  settle?: boolean;
}

/** Comes into a room by a room code, or by an invitation (`room`; neither: the only one).
 *
 * Answered as soon as the host is being asked; with `inside`, when we are in.
 */
export interface JoinRoom {
  t: "join-room";
  id?: number;
  room?: string | null;
  code?: string | null;
  kinds: Kind[];
  name?: string | null;
  relay_only?: boolean;
  inside?: boolean;
}

/** Puts an invitation away; who sent it is not told. */
export interface DismissInvitation {
  t: "dismiss-invitation";
  id?: number;
  room: string;
}

/** Forgets a standing meeting: its room code leads nowhere from now on. */
export interface ForgetMeeting {
  t: "forget-meeting";
  id?: number;
  title: string;
}

/** Asks somebody in. */
export interface InviteToRoom {
  t: "invite-to-room";
  id?: number;
  room?: string | null;
  who: string;
}

/** A link by which guests come into this room from a browser. `knock`: somebody admits each. */
export interface LinkToRoom {
  t: "link-to-room";
  id?: number;
  room?: string | null;
  knock?: boolean;
}

/** Does something about a room as a whole. */
export interface ChangeRoom {
  t: "change-room";
  id?: number;
  room?: string | null;
  action: RoomAction;
  settle?: boolean;
}

/** Does something about a participant, or somebody at the door (`key` None: the only one). */
export interface ChangeSeat {
  t: "change-seat";
  id?: number;
  room?: string | null;
  key?: string | null;
  action: SeatAction;
}

/** A line to everybody, or to one. Answered once it is known who has it. */
export interface SayInRoom {
  t: "say-in-room";
  id?: number;
  room?: string | null;
  text: string;
  to?: string | null;
}

/** Shows everybody one emoji. */
export interface ReactInRoom {
  t: "react-in-room";
  id?: number;
  room?: string | null;
  emoji: string;
}

/** How large a participant's picture (None: everybody's) is shown here now: they send no more
 * than that.
 */
export interface LookAt {
  t: "look-at";
  id?: number;
  room?: string | null;
  key?: string | null;
  size: PictureSize;
}

/** A calendar file (RFC 5545) for a standing meeting, with its room code, and a guest link if
 * one can be made. The meeting is made if there is none of this title.
 */
export interface PlanMeeting {
  t: "plan-meeting";
  id?: number;
  title: string;
  start: number;
  minutes: number;
  repeats?: Repeats;
  zone?: string;
  guests?: boolean;
}

/** The page's SDP for a session: the offer it was asked for, or its answer to one. */
export interface Described {
  t: "described";
  session: number;
  sdp: string;
}

/** ICE candidates of the page. */
export interface Found {
  t: "found";
  session: number;
  candidates?: Candidate[];
  end?: boolean;
}

/** ICE and DTLS are up, or up again. `server`: URL of the TURN server of a relay candidate. */
export interface MediaConnected {
  t: "media-connected";
  session: number;
  path: MediaPath;
  server?: string | null;
}

/** The first frame of a kind was decoded. */
export interface MediaFirstFrame {
  t: "media-first-frame";
  session: number;
  kind: Kind;
}

/** The path does not work; the node makes a media re-offer. */
export interface MediaPathLost {
  t: "media-path-lost";
  session: number;
}

/** The session cannot go on. `why`: for people, as `MediaError` would say it. */
export interface MediaFailed {
  t: "media-failed";
  session: number;
  why: string;
}

/** Sent every 2 s while a session is connected, at each change of its ICE state, and at the end.
 *
 * Types only: no address ever.
 */
export interface MediaCounters {
  t: "media-counters";
  session: number;
  streams?: StreamCounters[];
  local?: string[];
  remote?: string[];
  pairs?: PairSeen[];
  servers?: ServerSeen[];
}

/** A frame came over the data channel for frames of a session. */
export interface Carried {
  t: "carried";
  session: number;
  data: Uint8Array;
}

export type FromPage =
  | Hello
  | Focus
  | Noticeable
  | CreateHome
  | LinkHome
  | UnlockHome
  | NewCode
  | SayCode
  | StopSaying
  | RevokeCode
  | NewLink
  | CloseLink
  | AdmitGuest
  | SendGuestAway
  | ReadCode
  | DrawQr
  | AddContact
  | ChangePerson
  | RenamePerson
  | LookFor
  | Verify
  | ChangeProfile
  | SetPicture
  | GetPicture
  | ShowTo
  | ListDevices
  | RevokeDevice
  | AddDevice
  | ConfirmDevice
  | ChangeSettings
  | Dial
  | Take
  | ChangeCall
  | TellMedia
  | Keep
  | CompareString
  | ReadHistory
  | DeleteHistory
  | Examine
  | DeleteEverything
  | LetIn
  | NewRoom
  | JoinRoom
  | DismissInvitation
  | ForgetMeeting
  | InviteToRoom
  | LinkToRoom
  | ChangeRoom
  | ChangeSeat
  | SayInRoom
  | ReactInRoom
  | LookAt
  | PlanMeeting
  | Described
  | Found
  | MediaConnected
  | MediaFirstFrame
  | MediaPathLost
  | MediaFailed
  | MediaCounters
  | Carried;

/** The page is let in. `page` numbers it; calls name the page that has their devices. */
export interface Welcome {
  t: "welcome";
  page: number;
  release: string;
  keyring: boolean;
}

/** The page is of another release than the node: reload. */
export interface Outdated {
  t: "outdated";
  version: number;
}

/** How far the node is. `trouble`: why it did not start, if it did not. */
export interface Home {
  t: "home";
  phase: Phase;
  reachable: boolean;
  bootstraps: number;
  trouble: string | null;
  asking: string[];
}

/** The person's own profile and settings. */
export interface Me {
  t: "me";
  identity: string;
  fields: FieldShown[];
  picture: string | null;
  picture_share: Share;
  reach: ReachPolicy;
  busy: Busy;
  relay_only: boolean;
  region: string | null;
  bootstraps: string[];
}

/** Everybody we know, sorted by name, and the live codes. */
export interface People {
  t: "people";
  people: Person[];
  codes: Code[];
}

/** The calls that are going on, the oldest first. */
export interface Calls {
  t: "calls";
  calls: CallShown[];
}

/** How things stand in a call or a room, as the page that carries it told with `Keep`.
 *
 * A page hears all of them before the calls themselves, and each change that another page makes.
 * Whoever goes on with the call begins so. A screen that was shared is not shared again.
 */
export interface Kept {
  t: "kept";
  target: string;
  muted: boolean;
  camera_off: boolean;
  held: boolean;
  draft: string;
  draft_to: string | null;
  camera: string | null;
  microphone: string | null;
  speaker: string | null;
}

/** All guest links, and who came by them. `possible`: whether links can be made now. */
export interface Guests {
  t: "guests";
  possible: boolean;
  links: LinkShown[];
  guests: GuestShown[];
}

/** A call has ended; `sentence` says why and what to try, `detail` what failed exactly. */
export interface Over {
  t: "over";
  call: string;
  identity: string;
  name: string;
  outgoing: boolean;
  reason: EndReason;
  sentence: string;
  detail: string | null;
  seconds: number;
  note: string | null;
}

/** Something happened. `age`: seconds ago; `note`: what they wrote with it. */
export interface News {
  t: "news";
  what: Happening;
  identity: string;
  name: string;
  age: number;
  note: string | null;
}

/** It is done. */
export interface Done {
  t: "done";
  id: number;
}

/** It is not done. `kind` names the error for programs, `sentence` says what to do. */
export interface Refused {
  t: "refused";
  id: number;
  kind: string;
  sentence: string;
}

/** Whose code it is. `name`: as the code says, nobody vouches for it. */
export interface CodeRead {
  t: "code-read";
  id: number;
  identity: string;
  name: string | null;
  expires: number | null;
  known: boolean;
}

/** The spoken code that request `asked` is for. No answer to it: that comes with what became of
 * the code.
 */
export interface CodeShown {
  t: "code-shown";
  asked: number;
  code: string;
  seconds: number;
}

/** Rows of modules, ``1`` is dark; the quiet zone is not included. */
export interface Qr {
  t: "qr";
  id: number;
  rows: string[];
}

/** A picture of somebody: a JPEG without metadata. Empty: it is gone. */
export interface PictureShown {
  t: "picture-shown";
  id: number;
  data: Uint8Array;
}

/** The contact is there. `delivered`: the request reached them already. */
export interface Added {
  t: "added";
  id: number;
  identity: string;
  delivered: boolean;
}

/** Whether a sealed channel to this person could be opened. */
export interface Presence {
  t: "presence";
  id: number;
  reachable: boolean;
}

/** 60 digits, the same on both sides, and a QR code of them. */
export interface SafetyNumber {
  t: "safety-number";
  id: number;
  number: string;
  rows: string[];
}

/** The call is being made. It may end as another one when both dialled at once. */
export interface Dialled {
  t: "dialled";
  id: number;
  call: string;
}

/** A guest link was made; `plain` and `html` are it for an e-mail. */
export interface LinkMade {
  t: "link-made";
  id: number;
  link: string;
  plain: string;
  html: string;
}

/** Past calls, newest first. */
export interface History {
  t: "history";
  id: number;
  calls: PastCall[];
}

/** What works from here and what does not. */
export interface Findings {
  t: "findings";
  id: number;
  findings: Finding[];
}

/** The devices of this person. */
export interface DevicesShown {
  t: "devices-shown";
  id: number;
  devices: OwnDevice[];
}

/** The code that request `asked` is for, and a QR code of it. No answer to it. */
export interface LinkCodeShown {
  t: "link-code-shown";
  asked: number;
  code: string;
  seconds: number;
  rows: string[];
}

/** The words that both devices show while request `asked` links one. No answer to it: that comes
 * with what became of the link, after `confirm-device`.
 */
export interface LinkWords {
  t: "link-words";
  asked: number;
  words: string[];
  name: string;
}

/** Rooms, invitations and standing meetings. */
export interface Rooms {
  t: "rooms";
  rooms: RoomShown[];
  invitations: Invitation[];
  meetings: Meeting[];
}

/** A line of chat in a room, ours included. `to`: whom alone it went to, ourselves perhaps. */
export interface RoomLine {
  t: "room-line";
  room: string;
  key: string;
  name: string;
  mine: boolean;
  text: string;
  to: string | null;
}

/** Somebody reacts; shown for a moment. */
export interface RoomReaction {
  t: "room-reaction";
  room: string;
  key: string;
  name: string;
  emoji: string;
}

/** The host or a co-host asks us to mute ourselves. Nothing is muted by it. */
export interface RoomMuteAsked {
  t: "room-mute-asked";
  room: string;
  name: string;
}

/** A room is over for us. */
export interface RoomOver {
  t: "room-over";
  room: string;
  title: string;
  reason: RoomEnd;
  sentence: string;
}

/** The room is there, or its host is being asked. */
export interface RoomMade {
  t: "room-made";
  id: number;
  room: string;
}

/** Whether a device of theirs has the invitation. */
export interface Invited {
  t: "invited";
  id: number;
  delivered: boolean;
}

/** A guest link into a room. */
export interface RoomLink {
  t: "room-link";
  id: number;
  url: string;
}

/** The line was said. Sent once it is known who has it. */
export interface SaidInRoom {
  t: "said-in-room";
  id: number;
  missed: string[];
}

/** A file of type text/calendar. */
export interface Calendar {
  t: "calendar";
  id: number;
  name: string;
  text: string;
}

/** Make a peer connection for a call, with a transceiver of each kind and no track.
 *
 * Chat is the negotiated data channel ``onmeet``, id 0. Nothing of camera or microphone is opened
 * before `AttachMedia`.
 */
export interface OpenMedia {
  t: "open-media";
  session: number;
  call: string;
  kinds: Kind[];
  servers: Server[];
  relay_only: boolean;
  room: string | null;
  carry: boolean;
}

/** Answer with `Described`; candidates may follow it in `Found`. */
export interface MakeOffer {
  t: "make-offer";
  session: number;
}

/** The peer's offer. Answer with `Described`. */
export interface TakeOffer {
  t: "take-offer";
  session: number;
  sdp: string;
}

/** The peer's answer; connecting begins. */
export interface TakeAnswer {
  t: "take-answer";
  session: number;
  sdp: string;
}

/** ICE candidates of the peer. */
export interface TakeCandidates {
  t: "take-candidates";
  session: number;
  candidates: Candidate[];
  end: boolean;
}

/** The call was accepted: open camera and microphone as chosen and send them (replaceTrack). */
export interface AttachMedia {
  t: "attach-media";
  session: number;
  kinds: Kind[];
}

/** Somebody else (the command line) muted this end. */
export interface MuteMedia {
  t: "mute-media";
  session: number;
  kind: Kind;
  muted: boolean;
}

/** The peer may be gone: look now whether packets still come; `MediaPathLost` if not. */
export interface SuspectMedia {
  t: "suspect-media";
  session: number;
}

/** Close the peer connection and, if no other session of this call is left, the devices. */
export interface CloseMedia {
  t: "close-media";
  session: number;
}

/** The most that this session may send as picture from now on; 0 for everything: nothing.
 *
 * A shared screen keeps its own height.
 */
export interface ShapeMedia {
  t: "shape-media";
  session: number;
  bitrate: number;
  height: number;
  frame_rate: number;
  share_bitrate: number;
}

/** Send this frame over the session's data channel for frames (negotiated, id 1). */
export interface CarryMedia {
  t: "carry-media";
  session: number;
  data: Uint8Array;
}

export type FromNode =
  | Welcome
  | Outdated
  | Home
  | Me
  | People
  | Calls
  | Kept
  | Guests
  | Over
  | News
  | Done
  | Refused
  | CodeRead
  | CodeShown
  | Qr
  | PictureShown
  | Added
  | Presence
  | SafetyNumber
  | Dialled
  | LinkMade
  | History
  | Findings
  | DevicesShown
  | LinkCodeShown
  | LinkWords
  | Rooms
  | RoomLine
  | RoomReaction
  | RoomMuteAsked
  | RoomOver
  | RoomMade
  | Invited
  | RoomLink
  | SaidInRoom
  | Calendar
  | OpenMedia
  | MakeOffer
  | TakeOffer
  | TakeAnswer
  | TakeCandidates
  | AttachMedia
  | MuteMedia
  | SuspectMedia
  | CloseMedia
  | ShapeMedia
  | CarryMedia;
