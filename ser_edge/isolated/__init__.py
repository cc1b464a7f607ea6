"""Run a job in a process of its own, which may die or hang without doing harm."""
