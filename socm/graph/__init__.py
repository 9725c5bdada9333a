"""Campaign and splits → rules of jobs, with checks on what they read and make."""
