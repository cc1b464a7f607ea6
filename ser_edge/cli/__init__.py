"""The command `ser-edge`: one file for each subcommand, with its options and its `run`.

``--help`` imports nothing but the standard library: `run` imports what it needs.
"""
