"""What no honest browser sends: odd bytes for HTTP servers, by name, in the parts they come in."""

# ruff: noqa: E501 - a line for each input

import base64
import random
import struct
import zlib

import trio

MARK = b"Zaphod-Beeblebrox"
"""Stands in many of them, to be looked for in logs."""
KEY = base64.b64encode(b"k" * 16)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ZEROS = bytes(4)
"""A mask that changes nothing."""


def h2(kind, flags, stream, payload=b""):
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
    return head + payload


def literal(name, value):
    """HPACK without index and Huffman (RFC 7541, 6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def frame(first, payload=b"", masked=True):
    """A WebSocket's frame of any length and first byte."""
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head = bytes([first, bit | len(payload)])
    elif len(payload) < 65_536:
        head = bytes([first, bit | 126]) + struct.pack(">H", len(payload))
    else:
        head = bytes([first, bit | 127]) + struct.pack(">Q", len(payload))
    return head + (ZEROS if masked else b"") + payload


def swelling(megabytes):
    """A compressed message that is so much larger than it looks."""
    tool = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(tool.compress(bytes(2**20)) for _ in range(megabytes))
    return (packed + tool.flush(zlib.Z_SYNC_FLUSH))[:-4]


def odd_inputs(host, ws_path, *, origin=None):
    """`host`: as in the Host header; `ws_path`: where the server has a WebSocket."""
    named = b"Host: " + host + b"\r\n"
    get = b"GET /%s HTTP/1.1\r\n" % MARK + named
    post = b"POST /session HTTP/1.1\r\n" + named
    if origin:
        post += b"Origin: " + origin + b"\r\n"
    h2c = get + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    upgrade = b"GET " + ws_path + b" HTTP/1.1\r\n" + named
    if origin:
        upgrade += b"Origin: " + origin + b"\r\n"
    bare = upgrade + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    ws = bare + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n"
    deflate = ws + b"Sec-WebSocket-Extensions: permessage-deflate"
    settings = h2(4, 0, 0)
    asked = b"".join(
        literal(*pair)
        for pair in ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", host), (b":path", b"/"))
    )  # fmt: skip
    return {
        # HTTP/2, by each door
        "h2c, settings not base64": [h2c + b"HTTP2-Settings: !!!!!\r\n\r\n"],
        "h2c, settings of odd length": [h2c + b"HTTP2-Settings: AAA\r\n\r\n"],
        "h2c, bad value": [h2c + b"HTTP2-Settings: " + base64.b64encode(struct.pack(">HI", 4, 2**32 - 1)) + b"\r\n\r\n"],
        "h2c, no settings": [h2c + b"\r\n"],
        "h2c, good, and the preface": [h2c + b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", PREFACE + settings],
        "h2c with a body": [post + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc", PREFACE],
        "h2 preface": [PREFACE],
        "h2 preface in two": [PREFACE[:9], PREFACE[9:] + settings],
        "h2 request": [PREFACE + settings + h2(1, 5, 1, asked)],
        "h2 dependency on itself": [PREFACE + settings + h2(1, 0x25, 1, struct.pack(">IB", 1, 5) + asked)],
        "h2 data without a stream": [PREFACE + settings + h2(0, 0, 1, b"x" * 100)],
        "h2 not ASCII": [PREFACE + settings + h2(1, 5, 1, literal(b":path", b"/\xff"))],
        "h2 garbage": [PREFACE + b"\xff" * 3000],
        "HTTP/3.0": [b"GET / HTTP/3.0\r\n" + named + b"\r\n"],
        "HTTP/0.9": [b"GET /\r\n\r\n"],
        "HTTP/9.9 to a WebSocket": [ws.replace(b"HTTP/1.1", b"HTTP/9.9") + b"\r\n"],
        # heads
        "nothing": [],
        "one byte": [b"G"],
        "an empty line": [b"\r\n" * 2000],
        "no host, 1.0": [b"GET / HTTP/1.0\r\n\r\n"],
        "no host, 1.1": [b"GET / HTTP/1.1\r\n\r\n"],
        "two hosts": [b"GET / HTTP/1.1\r\n" + named + named + b"\r\n"],
        "host not ASCII": [b"GET / HTTP/1.1\r\nHost: \xff\xfe\xe2\x80\xa8\r\n\r\n"],
        "absolute target": [b"GET http://evil/ HTTP/1.1\r\n" + named + b"\r\n"],
        "target not ASCII": [b"GET /\xff\xfe HTTP/1.1\r\n" + named + b"\r\n"],
        "target escaped oddly": [b"GET /%ff%00%0a%e2%28%a1%zz%?%ff HTTP/1.1\r\n" + named + b"\r\n"],
        "target of slashes": [b"GET //////../..//%2f%2f;;?# HTTP/1.1\r\n" + named + b"\r\n"],
        "target of 15,000": [b"GET /" + b"a" * 15_000 + b" HTTP/1.1\r\n" + named + b"\r\n"],
        "star": [b"OPTIONS * HTTP/1.1\r\n" + named + b"\r\n"],
        "CONNECT": [b"CONNECT evil:443 HTTP/1.1\r\n" + named + b"\r\n", b"\x16\x03\x01"],
        "TRACE": [b"TRACE / HTTP/1.1\r\n" + named + b"\r\n"],
        "unknown method": [b"BREW /%s HTTP/1.1\r\n" % MARK + named + b"\r\n"],
        "method not ASCII": [b"\xc3\x89T / HTTP/1.1\r\n" + named + b"\r\n"],
        "header not ASCII": [get + b"Accept-Language: \xff\xfe;q=nan,ar;q=inf,en;q=1e999\r\nCookie: \xff=\xff\r\n\r\n"],
        "accept odd": [get + b"Accept-Encoding: gzip;q=\xff, \x80\r\nIf-None-Match: \"\xff\r\n\r\n"],
        "header name empty": [get + b": x\r\n\r\n"],
        "header folded": [get + b"A: b\r\n c\r\n\r\n"],
        "header with NUL": [get + b"A: \x00\x07%s\r\n\r\n" % MARK],
        "header without colon": [get + MARK + b"\r\n\r\n"],
        "3,000 headers": [get + b"a: b\r\n" * 3000 + b"\r\n"],
        "4,000 headers in a head that is just right": [get + b"a:b\r\n" * 2500 + b"\r\n"],
        "a head too long": [get + b"A: " + b"x" * 70_000 + b"\r\n\r\n"],
        "a head without end": [get + b"A: ", *[b"x" * 9_000] * 5],
        "forwarded oddly": [get + b"X-Forwarded-For: \xff,, ,::1%lo\r\nX-Forwarded-For:\r\n\r\n"],
        "bare line feeds": [b"GET / HTTP/1.1\n" + named.replace(b"\r", b"") + b"\n"],
        # bodies
        "two lengths": [post + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"],
        "length of letters": [post + b"Content-Length: abc\r\n\r\n"],
        "length negative": [post + b"Content-Length: -1\r\n\r\n"],
        "length huge": [post + b"Content-Length: 99999999999999999999\r\n\r\nabc"],
        "length of 5,000 digits": [post + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\nabc"],
        "length and chunks": [post + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get + b"\r\n"],
        "chunks, bad size": [post + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"],
        "chunks, huge size": [post + b"Transfer-Encoding: chunked\r\n\r\n" + b"F" * 19 + b"\r\nabc"],
        "chunks, long extension": [post + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 40_000 + b"\r\nx\r\n"],
        "chunks, many extensions": [post + b"Transfer-Encoding: chunked\r\n\r\n" + b'1;a="\xff"\r\nx\r\n' * 900 + b"0\r\n\r\n"],
        "chunks, odd trailers": [post + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nHost: \xff\r\n: \r\n\r\n"],
        "encoding unknown": [post + b"Transfer-Encoding: gzip, chunked\r\n\r\n"],
        "expectation": [post + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n"],
        "expectation unknown": [post + b"Expect: \xff\r\nContent-Length: 1\r\n\r\nx"],
        "body is no JSON": [post + b"Content-Length: 3\r\n\r\n\xff\xfe\x00"],
        "body is deep JSON": [post + b"Content-Length: 400\r\n\r\n" + b"[" * 400],
        "body ends early": [post + b"Content-Length: 400\r\n\r\nabc", None],
        "body of a GET": [get + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000],
        "a megabyte": [post + b"Content-Length: 1000000\r\n\r\n", *[b"x" * 50_000] * 20],
        "form that is none": [b"POST /contact HTTP/1.1\r\n" + named + b"Content-Length: 9\r\n\r\nname=%ff&"],
        # one after the other
        "500 in one": [(get + b"\r\n") * 500],
        "POST and GET in one": [(post + b"Content-Length: 1\r\n\r\nx" + get + b"\r\n") * 50],
        "answers not read": [(get + b"\r\n") * 3000, None],
        "WebSocket after requests": [(get + b"\r\n") * 3 + ws + b"\r\n" + frame(0x81, b"A")],
        # handshakes of WebSockets
        "ws, no key": [bare + b"Sec-WebSocket-Version: 13\r\n\r\n"],
        "ws, key not ASCII": [ws.replace(KEY, b"\xff\xfe") + b"\r\n"],
        "ws, key too short": [ws.replace(KEY, b"AAAA") + b"\r\n"],
        "ws, two keys": [ws + b"Sec-WebSocket-Key: " + KEY + b"\r\n\r\n"],
        "ws, no version": [bare + b"Sec-WebSocket-Key: " + KEY + b"\r\n\r\n"],
        "ws, version not ASCII": [ws.replace(b"13", b"\xb1\xb3") + b"\r\n"],
        "ws, POST": [ws.replace(b"GET", b"POST") + b"Content-Length: 3\r\n\r\nabc"],
        "ws, body": [ws + b"Content-Length: 3\r\n\r\nabc"],
        "ws, 1.0": [ws.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n"],
        "ws, connection not ASCII": [ws.replace(b"Connection: Upgrade", b"Connection: \xff, upgrade") + b"\r\n"],
        "ws and h2c": [ws.replace(b"Upgrade: websocket", b"Upgrade: h2c, websocket") + b"\r\n", PREFACE],
        "upgrade to something": [get + b"Connection: Upgrade\r\nUpgrade: TLS/1.0, \xff/7\r\n\r\n", b"\x16\x03\x01\x00"],
        "ws, protocols not ASCII": [ws + b"Sec-WebSocket-Protocol: \xff\xfe, \r\n\r\n"],
        "ws, extensions not ASCII": [deflate + b"; x=\"\xff\"; server_max_window_bits=99\r\n\r\n"],
        "ws, bits no number": [deflate + b"; client_max_window_bits=abc\r\n\r\n"],
        "ws, 8 bits": [deflate + b"; server_max_window_bits=8\r\n\r\n", frame(0xC2, b"abcde")],
        "ws, 500 extensions": [ws + b"Sec-WebSocket-Extensions: " + b"permessage-deflate," * 500 + b"\r\n\r\n"],
        "ws elsewhere": [ws.replace(ws_path, b"/%s" % MARK) + b"\r\n"],
        "ws, impatient": [ws + b"\r\n" + frame(0x82, b"x" * 300) + frame(0x88)],
        # frames
        "ws, swelling": [deflate + b"\r\n\r\n", frame(0xC2, swelling(20))],
        "ws, bad deflate": [deflate + b"\r\n\r\n", frame(0xC2, b"\xff" * 50)],
        "ws, bad UTF-8": [ws + b"\r\n", frame(0x81, b"\xff\xfe")],
        "ws, half a character": [ws + b"\r\n", frame(0x01, b"\xe2\x82"), frame(0x80, b"")],
        "ws, surrogates": [ws + b"\r\n", frame(0x81, b"\xed\xa0\x80")],
        "ws, text": [ws + b"\r\n", frame(0x81, MARK)],
        "ws, reserved bits": [ws + b"\r\n", frame(0xF2)],
        "ws, reserved opcodes": [ws + b"\r\n", frame(0x83), frame(0x8B)],
        "ws, unmasked": [ws + b"\r\n", frame(0x82, b"A", masked=False)],
        "ws, huge length": [ws + b"\r\n", b"\x82\xff\x7f" + b"\xff" * 7 + ZEROS + b"A" * 1000],
        "ws, negative length": [ws + b"\r\n", b"\x82\xff" + b"\xff" * 8 + ZEROS],
        "ws, length longer than needed": [ws + b"\r\n", b"\x82\xfe\x00\x01" + ZEROS + b"A"],
        "ws, a megabyte": [ws + b"\r\n", frame(0x82, bytes(2**20))],
        "ws, 300 kB in pieces": [ws + b"\r\n", *[frame(0x02, bytes(30_000)), *[frame(0x00, bytes(30_000))] * 9]],
        "ws, pieces without end": [ws + b"\r\n", frame(0x02, b"x"), frame(0x00) * 10_000, frame(0x00) * 10_000],
        "ws, text in pieces of a byte": [ws + b"\r\n", frame(0x01, b"x"), frame(0x00, b"y") * 3_000],
        "ws, close of one byte": [ws + b"\r\n", frame(0x88, b"\x03")],
        "ws, close with bad words": [ws + b"\r\n", frame(0x88, b"\x03\xe8\xff\xfe")],
        "ws, close with code 0": [ws + b"\r\n", frame(0x88, b"\0\0")],
        "ws, close with code 1005": [ws + b"\r\n", frame(0x88, struct.pack(">H", 1005))],
        "ws, close with code 65535": [ws + b"\r\n", frame(0x88, b"\xff\xff" + MARK)],
        "ws, close and more": [ws + b"\r\n", frame(0x88) + frame(0x82, b"x" * 100) * 50, frame(0x88)],
        "ws, close in pieces": [ws + b"\r\n", frame(0x08), frame(0x80)],
        "ws, long ping": [ws + b"\r\n", frame(0x89, b"x" * 126)],
        "ws, ping in pieces": [ws + b"\r\n", frame(0x09)],
        "ws, 20,000 pings": [ws + b"\r\n", frame(0x89, b"x") * 10_000, frame(0x89) * 10_000],
        "ws, pongs nobody asked for": [ws + b"\r\n", frame(0x8A, b"x" * 100) * 5_000],
        "ws, pings within a message": [ws + b"\r\n", frame(0x02, b"x"), frame(0x89, b"p"), frame(0x80, b"y")],
        "ws, continues nothing": [ws + b"\r\n", frame(0x80)],
        "ws, begins within": [ws + b"\r\n", frame(0x01, b"A") + frame(0x80, b"B") + frame(0x02, b"A") + frame(0x82)],
        "ws, ends half-way": [ws + b"\r\n", frame(0x82, b"x" * 100)[:20], None],
        "ws, goes silently": [ws + b"\r\n", None],
        "ws, 3,000 messages at once": [ws + b"\r\n", frame(0x82, b"x" * 15) * 3_000, None],
        # no HTTP
        "every byte": [bytes(range(256)) * 40],
        "NULs": [bytes(40_000)],
        "TLS hello of TLS 1.0": [bytes.fromhex("16030100a5010000a10303") + bytes(160)],
        "TLS alert": [bytes.fromhex("15030300020100")],
        "TLS record too long": [b"\x16\x03\x03\xff\xff" + bytes(70_000)],
        "SSH": [b"SSH-2.0-OpenSSH_9.2\r\n", bytes(2_000)],
        "SMTP": [b"EHLO example.org\r\nMAIL FROM:<>\r\n"],
    }  # fmt: skip


def mutated(seeds, number):
    """The `number`-th mutation: a few of the seeds' bytes changed, moved, doubled or cut."""
    chance = random.Random(number)
    parts = list(chance.choice(seeds))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(parts)) if parts else 0
        if not parts or parts[at] is None:
            break
        data = bytearray(parts[at][:20_000])
        where = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0 if data:
                data[where % len(data)] = chance.randrange(256)
            case 1:
                data[where:where] = chance.randbytes(chance.randint(1, 9))
            case 2:
                del data[where : where + chance.randint(1, 30)]
            case 3:
                data[where:where] = data[max(0, where - 40) : where]
            case 4:
                other = next(iter(chance.choice(seeds)), None) or b""
                data[where:] = other[chance.randrange(len(other) + 1) :]
            case _:
                parts.insert(at, bytes(data[:where]))
                data = data[where:]
        parts[at] = bytes(data)
    return parts


async def attack(port, parts, *, trust=None, patience=0.1, host="127.0.0.1"):
    """Sends the parts, reading what comes between them. None: says that no more comes.

    Gives what was answered.
    """
    answer = b""
    try:
        tcp = await trio.open_tcp_stream(host, port)
    except OSError:
        return None
    stream = tcp
    if trust is not None:
        stream = trio.SSLStream(tcp, trust, server_hostname=host, https_compatible=True)
    try:
        with trio.move_on_after(20):
            for part in parts:
                if part is None:
                    if trust is None:
                        await tcp.send_eof()
                    continue
                with trio.move_on_after(2):
                    await stream.send_all(part)
                with trio.move_on_after(patience):
                    while got := await stream.receive_some(65_536):
                        answer += got
    except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
        pass
    finally:
        await trio.aclose_forcefully(stream)
    return answer
