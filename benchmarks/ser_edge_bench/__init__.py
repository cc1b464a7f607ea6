"""`ser-edge bench`: how fast, large and exact a bundle is here, and whether it got slower."""
