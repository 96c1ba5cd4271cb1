"""What runs on an operator's machine: the embedded AWS and what goes with it."""
