"""The options of `ser-edge listen`; nothing heavy is imported here."""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_edge.cli.options import add_hop, add_json, add_network
from ser_edge.cli.types import positive, share

# Those of `ser_edge.listening.sources`.
PCM_FORMATS = ("u8", "s16", "s32", "f32")


def add_listen(listen: argparse.ArgumentParser) -> None:
    """Add them to the subcommand's parser."""
    sound = listen.add_argument_group("sound", "Without a file or --stdin, a microphone is heard.")
    sound.add_argument("recording", nargs="?", metavar="FILE", help="a recording")
    sound.add_argument("--realtime", action="store_true", help="hear FILE as if it were spoken now")
    sound.add_argument(
        "--stdin", action="store_true", help="raw samples, such as of `arecord -t raw`"
    )
    sound.add_argument(
        "--sample-rate", type=positive, metavar="HZ", help="of --stdin or the microphone"
    )
    sound.add_argument(
        "--format", choices=PCM_FORMATS, default="s16", help="of --stdin; default s16"
    )
    sound.add_argument(
        "--channels", type=positive, default=1, metavar="N", help="of --stdin; default 1"
    )
    sound.add_argument(
        "--device", metavar="NAME", help="microphone: its number or part of its name"
    )
    sound.add_argument("--devices", action="store_true", help="list the microphones")

    heard = listen.add_argument_group("hearing")
    add_hop(heard)
    heard.add_argument(
        "--threshold",
        type=share,
        default=0.65,  # of `ser_edge.streaming.smoothing`
        metavar="P",
        help="smoothed probability below which no emotion is named; default 0.65",
    )
    heard.add_argument("--adapt", action="store_true", help="learn the speaker's voice on the way")
    heard.add_argument(
        "--profile", type=Path, metavar="FILE", help="the speaker's, that was learned before"
    )
    heard.add_argument(
        "--save-profile", type=Path, metavar="FILE", help="write what --adapt has learned"
    )
    add_network(listen)
    add_json(listen, "one JSON object an event")
