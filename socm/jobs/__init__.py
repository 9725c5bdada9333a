"""What runs inside a job, beside the program: the check of what the program really used."""
