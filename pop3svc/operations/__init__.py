"""What an administrator sees of the service."""
