"""How learning ends."""
