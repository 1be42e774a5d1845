"""Real mail programs and a real MTA against the real service."""
