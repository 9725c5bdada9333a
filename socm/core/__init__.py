"""The campaign as the user wrote it: frozen models, no I/O."""
