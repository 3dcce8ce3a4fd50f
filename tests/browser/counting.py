"""A camera and a microphone that are files: each picture carries its number
(media/engine/test_picture.py)."""

import array
import math
import os
import wave
from fractions import Fraction

import av

from onmeet_node.media.engine.sources import audio_frame
from onmeet_node.media.engine.test_picture import COLUMNS, MIDDLE, ROWS, TestPicture

WIDTH, HEIGHT, RATE = 160, 120, 4
"""Small and slow: in a room of five each of twenty pictures is encoded and decoded here."""
FRAMES = 1_800
"""Seven minutes."""
HERTZ = 480
"""A whole number of periods in a picture's time, so that pieces join without a click."""

READ = f"""(names) => {{
  const tiles = [];
  const find = (root) => {{
    for (const one of root.querySelectorAll("*")) {{
      if (one.localName === "om-room-tile") tiles.push(one);
      if (one.shadowRoot) find(one.shadowRoot);
    }}
  }};
  find(document);
  const counters = {{}};
  for (const tile of tiles) {{
    const video = tile.shadowRoot.querySelector("video");
    const name = tile.shadowRoot.querySelector("bdi")?.textContent ?? "";
    if (!video?.videoWidth) continue;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext("2d", {{ willReadFrequently: true }});
    context.drawImage(video, 0, 0);
    const bits = (row) =>
      Array.from({{ length: {COLUMNS} }}, (_, column) => {{
        const x = Math.floor(((column + 0.5) * canvas.width) / {COLUMNS});
        const y = Math.floor(((row + 0.5) * canvas.height) / {ROWS});
        return context.getImageData(x, y, 1, 1).data[1] > {MIDDLE};
      }});
    const [upright, inverse] = [bits(0), bits(1)];
    if (!upright[0] || upright[1] || upright.some((bit, at) => bit === inverse[at])) continue;
    counters[name] = upright.slice(2).reduce((sum, bit) => sum * 2 + Number(bit), 0);
  }}
  return counters;
}}"""
"""The numbers in the pictures of a room's tiles, by name."""

__all__ = ["READ", "devices", "film"]


def devices(directory):
    """Chromium's flags for such a camera and such a microphone."""
    camera, microphone = directory / "camera.y4m", directory / "microphone.wav"
    if not camera.exists():
        _film(camera)
        _tone(microphone)
    return [
        f"--use-file-for-fake-video-capture={camera}",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]


def film(directory):
    """The same as a media file, for `--source`."""
    path = directory / "film.mkv"
    picture = TestPicture(WIDTH, HEIGHT)
    with av.open(os.fspath(path), "w") as container:
        video = container.add_stream("mpeg4", rate=RATE)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.bit_rate = 1_000_000
        audio = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        for number in range(FRAMES):
            frame = picture.draw(number)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(video.encode(frame))
            sound = audio_frame(_samples(48_000 // RATE).tobytes())
            sound.pts, sound.time_base = number * (48_000 // RATE), Fraction(1, 48_000)
            container.mux(audio.encode(sound))
        for stream in (video, audio):
            container.mux(stream.encode())
    return os.fspath(path)


def _samples(count):
    return array.array(
        "h", (round(24_000 * math.sin(2 * math.pi * HERTZ * n / 48_000)) for n in range(count))
    )


def _film(path):
    picture = TestPicture(WIDTH, HEIGHT)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(FRAMES):
            frame = picture.draw(number)
            file.write(b"FRAME\n")
            for plane, width in zip(frame.planes, (WIDTH, WIDTH // 2, WIDTH // 2), strict=True):
                rows = memoryview(plane)
                for row in range(plane.height):
                    file.write(rows[row * plane.line_size : row * plane.line_size + width])


def _tone(path):
    with wave.open(os.fspath(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        for _ in range(10):
            file.writeframes(_samples(48_000).tobytes())
