"""`ser-edge listen`: sources of sound, a thread that never waits, events, and a view.

Nothing is imported here, since `ser_edge.cli.parser` takes its options from this package.
"""
