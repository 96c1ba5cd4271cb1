"""What builds and deploys the stack."""
