"""Networks and the heads that turn spaces into distributions."""
