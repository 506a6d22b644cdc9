"""What kinds that run a repository's code in the sandbox have in common: terms, the tree, dependencies."""
