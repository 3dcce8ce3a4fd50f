"""What the app's page and its node say to each other over their WebSocket (docs/API, "The app").

Each is one binary WebSocket message in the wire encoding (`protocol.wire.codec`).
``python -m onmeet_node.web.typescript`` makes `ui/src/node/messages.ts` of them. The page says
`Hello` first; the node answers with `Welcome`, then with what the page needs as snapshots (`Home`,
`Me`, `People`, `Calls`), and sends one again whenever something in it changed: all pages show the
same.

A request (`control.requests`) carries a number of the page's own; exactly one `Done`, `Refused` or
other answer names it.
"""

from __future__ import annotations

from onmeet_node.control.requests import calls, devices, guests, node, people
from onmeet_node.control.requests import rooms as room_requests
from onmeet_node.protocol.wire.codec import Codec
from onmeet_node.protocol.wire.messages import Unknown
from onmeet_node.web.messages import answers, own, rooms, snapshots
from onmeet_node.web.messages.media import FromNodeMedia, FromPageMedia

VERSION = 1
"""Of this protocol. A page that has another is told to reload (`Outdated`)."""
MAX_PAGE_BYTES = 65_519
"""Of one message from a page; an SDP offer with its candidates is the longest."""
MAX_NODE_BYTES = 2 * 2**20
"""Of one message to a page; a snapshot of a thousand people is the longest."""

FromPage = (
    own.Hello
    | own.Focus
    | own.Noticeable
    | own.CreateHome
    | own.LinkHome
    | own.UnlockHome
    | people.NewCode
    | people.SayCode
    | own.StopSaying
    | people.RevokeCode
    | guests.NewLink
    | guests.CloseLink
    | guests.AdmitGuest
    | guests.SendGuestAway
    | people.ReadCode
    | people.DrawQr
    | people.AddContact
    | people.ChangePerson
    | people.RenamePerson
    | people.LookFor
    | people.Verify
    | people.ChangeProfile
    | people.SetPicture
    | people.GetPicture
    | people.ShowTo
    | devices.ListDevices
    | devices.RevokeDevice
    | devices.AddDevice
    | devices.ConfirmDevice
    | node.ChangeSettings
    | calls.Dial
    | calls.Take
    | calls.ChangeCall
    | own.TellMedia
    | own.Keep
    | calls.CompareString
    | calls.ReadHistory
    | calls.DeleteHistory
    | node.Examine
    | own.DeleteEverything
    | own.LetIn
    | room_requests.NewRoom
    | room_requests.JoinRoom
    | room_requests.DismissInvitation
    | room_requests.ForgetMeeting
    | room_requests.InviteToRoom
    | room_requests.LinkToRoom
    | room_requests.ChangeRoom
    | room_requests.ChangeSeat
    | room_requests.SayInRoom
    | room_requests.ReactInRoom
    | room_requests.LookAt
    | room_requests.PlanMeeting
    | FromPageMedia
    | Unknown
)
FromNode = (
    snapshots.Welcome
    | snapshots.Outdated
    | snapshots.Home
    | snapshots.Me
    | snapshots.People
    | snapshots.Calls
    | snapshots.Kept
    | snapshots.Guests
    | snapshots.Over
    | snapshots.News
    | answers.Done
    | answers.Refused
    | answers.CodeRead
    | answers.CodeShown
    | answers.Qr
    | answers.PictureShown
    | answers.Added
    | answers.Presence
    | answers.SafetyNumber
    | answers.Dialled
    | answers.LinkMade
    | answers.History
    | answers.Findings
    | answers.DevicesShown
    | answers.LinkCodeShown
    | answers.LinkWords
    | rooms.Rooms
    | rooms.RoomLine
    | rooms.RoomReaction
    | rooms.RoomMuteAsked
    | rooms.RoomOver
    | rooms.RoomMade
    | rooms.Invited
    | rooms.RoomLink
    | rooms.SaidInRoom
    | rooms.Calendar
    | FromNodeMedia
)

from_page: Codec[FromPage] = Codec(FromPage, limit=MAX_PAGE_BYTES)
from_node: Codec[FromNode] = Codec(FromNode, limit=MAX_NODE_BYTES)
