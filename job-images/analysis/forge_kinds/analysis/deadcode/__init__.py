"""Python code that may be dead: what each file defines and uses, put together for the whole repository."""
