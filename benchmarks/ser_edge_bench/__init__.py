"""`ser-edge bench`: how fast, how big and how exact a bundle is here, and whether it got worse.

Nothing is imported here, since `ser_edge.cli.parser` takes its options from this package.
"""
