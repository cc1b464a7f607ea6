"""The command `ser-edge`; nothing heavy is imported before a subcommand runs."""
