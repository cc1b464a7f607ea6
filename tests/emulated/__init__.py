"""The runtime on the instruction sets of small devices, under user-mode emulation."""
