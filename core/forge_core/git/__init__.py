"""git against strangers' servers and content: which URL is taken, what it runs with, how it is bounded and understood.

Runners clone with it, and the clone cache fetches its mirrors.
"""
