"""The two pipes from a kind's process to its runner: its report, and what it prints.

Our own, not asyncio's, whose `wait` would last as long as any grandchild holds one open.
"""

import os


class Channels:
    """The runner reads the ends named `out`, the process writes to those named `in`."""

    def __init__(self) -> None:
        self.report_out, self.report_in = os.pipe()
        self.output_out, self.output_in = os.pipe()

    def hand_over(self) -> None:
        """The process holds its ends: close ours of them, or no pipe would ever end."""
        os.close(self.report_in)
        os.close(self.output_in)

    def close(self) -> None:
        """For whoever listens no more, or is the process itself."""
        os.close(self.report_out)
        os.close(self.output_out)
