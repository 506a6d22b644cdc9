"""What kinds that work on source share: which files are asked for, and programs that read them safely."""
