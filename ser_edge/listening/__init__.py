"""`ser-edge listen`: audio sources, a capture thread, events and a live view."""
