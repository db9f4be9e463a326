"""The files of a verl export that are the same for every run."""
