"""Reading input files, sound or damaged: one reader for runs and for the commands that work on one file."""
