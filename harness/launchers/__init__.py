"""Ways to start a program: as a local process."""
