"""``python -m ser_edge`` is the command ``ser-edge``."""

from ser_edge.cli.command_line import entry_point

if __name__ == "__main__":
    entry_point()
