"""The commands of `cachegate`, one file a family: options in, a session run, a report out."""
