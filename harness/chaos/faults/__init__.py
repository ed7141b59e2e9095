"""What can be broken, one file a kind."""
