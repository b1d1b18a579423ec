"""Learning from good parts: a model folder that the line runs as it is, and a threshold that can be defended.

What it is: `teach`, a function with progress and cancellation. What it is not: the line, a command, or a screen.
A process of its own runs it.
"""

from inspector.teach.options import Cancelled, Progress, TeachOptions, TeachResult
from inspector.teach.teaching import teach

__all__ = ["Cancelled", "Progress", "TeachOptions", "TeachResult", "teach"]
